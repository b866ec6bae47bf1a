//! The tables, as `migrations/profile` makes them.

#![cfg_attr(
    feature = "testing",
    expect(
        missing_docs,
        reason = "diesel's macro writes the items; the columns are documented in the migrations"
    )
)]

diesel::table! {
    use diesel::sql_types::*;
    use ud_db::sql;

    users (id) {
        id -> sql::Id,
        status -> Text,
        email -> Nullable<Text>,
        email_canonical -> Nullable<Text>,
        email_verified -> Bool,
        username -> Nullable<Text>,
        given_name -> Nullable<Text>,
        family_name -> Nullable<Text>,
        phone -> Nullable<Text>,
        locale -> Nullable<Text>,
        timezone -> Nullable<Text>,
        version -> BigInt,
        created_at -> sql::Instant,
        updated_at -> sql::Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use ud_db::sql;

    user_words (word, user_id) {
        word -> Text,
        user_id -> sql::Id,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use ud_db::sql;

    idempotency_keys (id) {
        id -> Text,
        fingerprint -> Text,
        user_id -> sql::Id,
        locked_until -> sql::Instant,
        created_at -> sql::Instant,
        expires_at -> sql::Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use ud_db::sql;

    standing_changes (user_id) {
        user_id -> sql::Id,
        sequence -> BigInt,
        began_at -> sql::Instant,
    }
}

diesel::joinable!(standing_changes -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(users, user_words, standing_changes);
