//! Tables of this service, as `migrations/role` makes them.

diesel::table! {
    use diesel::sql_types::*;
    use ud_db::sql;

    policy_version (id) {
        id -> Integer,
        version -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use ud_db::sql;

    roles (id) {
        id -> sql::Id,
        name -> Text,
        description -> Nullable<Text>,
        permissions -> Text,
        names_bytes -> Integer,
        version -> BigInt,
        created_at -> sql::Instant,
        updated_at -> sql::Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use ud_db::sql;

    role_assignments (id) {
        id -> sql::Id,
        user_id -> sql::Id,
        role_id -> sql::Id,
        expires_at -> Nullable<sql::Instant>,
        created_at -> sql::Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use ud_db::sql;

    deleted_users (user_id) {
        user_id -> sql::Id,
        deleted_at -> sql::Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use ud_db::sql;

    first_administrator (id) {
        id -> Integer,
        user_id -> sql::Id,
        created_at -> sql::Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use ud_db::sql;

    user_standings (user_id) {
        user_id -> sql::Id,
        state -> Text,
        sequence -> BigInt,
        updated_at -> sql::Instant,
    }
}

diesel::joinable!(role_assignments -> roles (role_id));
diesel::allow_tables_to_appear_in_same_query!(
    role_assignments,
    roles,
    user_standings,
    deleted_users
);
