-- Networks that completed logins of a user came from. `network` is an HMAC over user and network: who reads the table
-- learns no address, and not that two users share one. `kind` is `exact` (/32, /64: evidence for 30 days while `epoch`
-- is the account's) or `wide` (/24, /48: kept for 90 days).
CREATE TABLE account_places (
    user_id BINARY(16)  NOT NULL,
    network VARCHAR(64) NOT NULL,
    kind    VARCHAR(16) NOT NULL,
    epoch   BIGINT      NOT NULL,
    seen_at DATETIME(6) NOT NULL,
    PRIMARY KEY (user_id, network),
    INDEX ix_account_places_kind (kind, seen_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
    COLLATE=/*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */;
