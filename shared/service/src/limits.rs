//! Operations that have a limit, as types for `ud_http::Limited` (SECURITY rule 26). Each service declares its own.

use ud_config::Key;

#[doc(hidden)]
pub use ud_config::keys;
#[doc(hidden)]
pub use ud_kernel::Service;

/// An operation that has a limit.
pub trait LimitedOperation: 'static {
    /// Its place in the table of its service.
    const INDEX: usize;
    /// What is known of it.
    const OPERATION: Operation;
}

/// How often one operation may be called, and who is counted.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// Lower-case words: part of the Redis key, and `x-limit` of the 429 in the OpenAPI document.
    pub name: &'static str,
    /// The service that has it.
    pub service: Service,
    /// Who is counted.
    pub counts: Counts,
    /// The key of its limit.
    pub key: &'static Key,
    /// The key of the limit of those who may do it to everybody, where that is another.
    pub operators: Option<&'static Key>,
    /// Whether it is counted in Redis, if there is one: what costs a password hash. The others are counted in each
    /// process, so that `n` replicas let `n` times as many pass.
    pub is_shared: bool,
    /// Whether requests that come straight from a trusted proxy are not counted.
    pub spares_proxies: bool,
}

/// Who is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// Who asks, by address.
    Sources,
    /// The authenticated user.
    Users,
    /// The session or device of the token in the body; who asks, by address, if there is no good one.
    Presented,
}

impl Operation {
    /// Returns an operation with one limit, that is counted in each process and for everybody.
    #[must_use]
    pub const fn counting(
        counts: Counts,
        service: Service,
        name: &'static str,
        key: &'static Key,
    ) -> Self {
        Self {
            name,
            service,
            counts,
            key,
            operators: None,
            is_shared: false,
            spares_proxies: false,
        }
    }

    /// Gives those who may do it to everybody the limit of `key`.
    #[must_use]
    pub const fn operators(mut self, key: &'static Key) -> Self {
        self.operators = Some(key);
        self
    }

    /// Has it counted in Redis, if there is one.
    #[must_use]
    pub const fn shared(mut self) -> Self {
        self.is_shared = true;
        self
    }

    /// Does not count what comes straight from a trusted proxy.
    #[must_use]
    pub const fn sparing_proxies(mut self) -> Self {
        self.spares_proxies = true;
        self
    }
}

/// Declares the operations of a service that have a limit: `of Service;`, and for each
/// `Type = "name", who is counted, KEY, further(…);`. Makes a type of each, and the table `OPERATIONS`.
#[macro_export]
macro_rules! limited_operations {
    (of $service:ident; $($type:ident = $name:literal, $counts:ident, $key:ident $(, $method:ident($($argument:ident)?))*;)+) => {
        #[derive(Clone, Copy)]
        enum Index { $($type),+ }

        $(
            #[doc = concat!("`", $name, "`")]
            #[derive(Debug)]
            pub enum $type {}

            impl $crate::limits::LimitedOperation for $type {
                const INDEX: usize = Index::$type as usize;
                const OPERATION: $crate::limits::Operation = $crate::limits::Operation::counting(
                    $crate::limits::Counts::$counts,
                    $crate::limits::Service::$service,
                    $name,
                    &$crate::limits::keys::$key,
                )$(.$method($(&$crate::limits::keys::$argument)?))*;
            }
        )+

        /// All of them.
        pub static OPERATIONS: &[$crate::limits::Operation] =
            &[$(<$type as $crate::limits::LimitedOperation>::OPERATION),+];
    };
}
