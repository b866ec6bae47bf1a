//! The tables of `migrations/session/sqlite`.

diesel::table! {
    use diesel::sql_types::*;
    use ud_db::sql::{Id, Instant};

    sessions (id) {
        id -> Id,
        user_id -> Id,
        epoch -> BigInt,
        counter -> BigInt,
        key_id -> Text,
        nonce_hash -> Text,
        created_at -> Instant,
        last_seen_at -> Instant,
        issued_at -> Instant,
        access_expires_at -> Instant,
        latest_expiry -> Instant,
        expires_at -> Instant,
        idle -> BigInt,
        absolute -> BigInt,
        amr -> Text,
        ip -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        event_seq -> BigInt,
        authenticated_at -> Instant,
        rotated -> Text,
        late_counter -> BigInt,
        late_count -> BigInt,
        late_source -> Text,
    }
}

diesel::table! {
    use ud_db::sql::{Id, Instant};

    closed_sessions (id) {
        id -> Id,
        kept_until -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use ud_db::sql::{Id, Instant};

    min_epochs (user_id) {
        user_id -> Id,
        min_epoch -> BigInt,
        kept_until -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use ud_db::sql::Instant;

    // Keeps the name by which the release before knows it.
    #[sql_name = "marks"]
    not_before (kind, name) {
        kind -> Text,
        name -> Text,
        min_pv -> BigInt,
        kept_until -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use ud_db::sql::Instant;

    revocations (seq) {
        seq -> BigInt,
        kind -> Text,
        name -> Text,
        min_pv -> Nullable<BigInt>,
        revoked_until -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use ud_db::sql::Instant;

    store (id) {
        id -> BigInt,
        incarnation -> Text,
        latest_expiry -> Instant,
        absolute -> BigInt,
        renewed_at -> Nullable<Instant>,
    }
}
