-- Networks that completed logins of a user came from. `network` is an HMAC over user and network: who reads the table
-- learns no address, and not that two users share one. `kind` is `exact` (/32, /64: evidence for 30 days while `epoch`
-- is the account's) or `wide` (/24, /48: kept for 90 days).
CREATE TABLE account_places (
    user_id UUID        NOT NULL,
    network VARCHAR(64) NOT NULL,
    kind    VARCHAR(16) NOT NULL,
    epoch   BIGINT      NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, network)
);
CREATE INDEX ix_account_places_kind ON account_places (kind, seen_at);
