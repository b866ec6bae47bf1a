//! The tokens that auth hands out: pairs of them, and the tokens whose tags it makes itself.

pub mod introspection_clients;
pub mod lifetime;
pub mod refresh_token;
pub mod tagged_token;
pub mod token_pair;
