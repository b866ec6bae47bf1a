-- Events written with the change they tell of, until every destination has them.
CREATE TABLE outbox (
    id uuid NOT NULL,
    subject uuid NOT NULL,
    sequence bigint NOT NULL,
    type varchar(64) NOT NULL,
    body text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_outbox PRIMARY KEY (id),
    CONSTRAINT uq_outbox_subject_sequence UNIQUE (subject, sequence)
);
