-- Whether a signing key was revoked is asked with each token.
CREATE INDEX ix_revocations_kind_name ON revocations (kind, name);
