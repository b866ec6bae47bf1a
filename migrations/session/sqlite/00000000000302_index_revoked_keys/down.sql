DROP INDEX ix_revocations_kind_name;
