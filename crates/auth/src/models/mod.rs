//! What auth knows and decides: rules, stores, and the flows that join them with the other services.

pub mod breach_file;
pub mod breach_list;
pub mod credential;
pub mod credential_flow;
pub mod credential_store;
pub mod error;
pub mod fence_flow;
pub mod foreign_hash;
pub mod guess_count_store;
pub mod guess_limit;
pub mod hash_pool;
pub mod identifier;
pub mod identifier_store;
pub mod introspection_clients;
pub mod login_flow;
pub mod logout_flow;
pub mod password_check;
pub mod password_flow;
pub mod password_hash;
pub mod password_policy;
pub mod passwords;
pub mod refresh_flow;
pub mod refresh_token;
pub mod reseal_flow;
pub mod reset_flow;
pub mod schema;
pub mod session_calls;
pub mod signing_key;
pub mod signing_key_flow;
pub mod signing_key_store;
pub mod signing_keys;
pub mod token_pair;
pub mod unlock_flow;

#[cfg(test)]
pub(crate) mod test_rings;
