//! The controllers: HTTP in, one call of a flow, a view out.

pub mod change_password;
pub mod create_credential;
pub mod introspect_for_service;
pub mod introspect_token;
pub mod list_keys;
pub mod log_in;
pub mod log_out;
pub mod optional_body;
pub mod presented_token;
pub mod read_credential;
pub mod read_jwks;
pub mod reauthenticate;
pub mod receive_events;
pub mod refresh_tokens;
pub mod revoke_key;
pub mod revoke_token;
pub mod rotate_keys;
pub mod set_credential_status;
pub mod unlock_credential;
pub mod validate_token;
