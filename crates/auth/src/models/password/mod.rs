//! Passwords: what may become one, how it is hashed and compared, and who waits for whom meanwhile.

pub mod bcrypt;
pub mod breach_file;
pub mod breach_list;
pub mod foreign;
pub mod hash;
pub mod hash_pool;
pub mod passwords;
pub mod policy;
