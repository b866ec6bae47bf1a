//! Named points in a flow where a test can pause or kill it. Without the feature `failpoints` nothing is left
//! of them in the binary.

#[cfg(feature = "failpoints")]
type Hook =
    dyn Fn(&'static str) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// What happens at the named points of one application. An object of its own in each test, never global.
#[derive(Clone, Default)]
pub struct Failpoints {
    #[cfg(feature = "failpoints")]
    hook: Option<std::sync::Arc<Hook>>,
}

impl Failpoints {
    /// Points at which nothing happens.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Calls `hook` with the point's name and waits for what it returns.
    #[cfg(feature = "failpoints")]
    pub fn with_hook<F, Fut>(hook: F) -> Self
    where
        F: Fn(&'static str) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self {
            hook: Some(std::sync::Arc::new(move |name| Box::pin(hook(name)))),
        }
    }

    /// Passes the point `name`: `<flow>.<what was just done>`.
    #[inline]
    pub async fn at(&self, name: &'static str) {
        #[cfg(feature = "failpoints")]
        if let Some(hook) = &self.hook {
            hook(name).await;
        }
        #[cfg(not(feature = "failpoints"))]
        let _ = name;
    }
}

impl std::fmt::Debug for Failpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Failpoints")
    }
}
