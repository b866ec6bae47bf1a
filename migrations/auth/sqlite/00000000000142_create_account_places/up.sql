-- Networks that completed logins of a user came from. `network` is an HMAC over user and network: who reads the table
-- learns no address, and not that two users share one. `kind` is `exact` (/32, /64: evidence for 30 days while `epoch`
-- is the account's) or `wide` (/24, /48: kept for 90 days).
CREATE TABLE account_places (
    user_id BLOB    NOT NULL CHECK (length(user_id) = 16),
    network TEXT    NOT NULL CHECK (length(network) <= 64),
    kind    TEXT    NOT NULL CHECK (length(kind) <= 16),
    epoch   INTEGER NOT NULL,
    seen_at TEXT    NOT NULL CHECK (length(seen_at) = 24),
    PRIMARY KEY (user_id, network)
) STRICT;
CREATE INDEX ix_account_places_kind ON account_places (kind, seen_at);
