-- Events of other services whose effects are in this database.
CREATE TABLE inbox (
    source varchar(16) NOT NULL,
    event_id uuid NOT NULL,
    received_at timestamptz NOT NULL,
    CONSTRAINT pk_inbox PRIMARY KEY (source, event_id)
);

CREATE INDEX ix_inbox_received_at ON inbox (received_at);
