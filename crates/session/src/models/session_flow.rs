//! Use cases of the public routes: what needs another service's word beside the store's.

use std::sync::Arc;

use ud_kernel::{Clock, SessionId, UserId, models::Provenance};
use ud_peer::ServiceClient;

use super::{
    access,
    error::SessionError,
    session::Session,
    session_store::{CloseOrder, Closing, SessionStore},
};

/// What the use cases need. Clones are the same.
#[derive(Clone)]
pub struct SessionFlow {
    store: Arc<dyn SessionStore>,
    role: ServiceClient,
    clock: Clock,
}

/// The session that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// Its user.
    pub user_id: UserId,
    /// The session itself.
    pub session_id: SessionId,
}

impl SessionFlow {
    /// Over `store`, asking `role` what people hold.
    #[must_use]
    pub const fn new(store: Arc<dyn SessionStore>, role: ServiceClient, clock: Clock) -> Self {
        Self { store, role, clock }
    }

    /// One living session, whoever's it is.
    ///
    /// # Errors
    /// [`SessionError::NotFound`].
    pub async fn read(&self, id: SessionId) -> Result<Session, SessionError> {
        self.store
            .find(id, self.clock.now())
            .await?
            .ok_or(SessionError::NotFound)
    }

    /// The living sessions of a user, newest first.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn list(&self, user_id: UserId) -> Result<Vec<Session>, SessionError> {
        self.store.list(user_id, self.clock.now()).await
    }

    /// Ends one session that [`SessionFlow::read`] found.
    ///
    /// # Errors
    /// [`SessionError::TargetHoldsMore`], [`SessionError::NotPermitted`] or a failed call to role, for another's
    /// session; if the store fails.
    pub async fn close_one(
        &self,
        asker: Asker,
        session: &Session,
        origin: Provenance,
    ) -> Result<(), SessionError> {
        self.close(asker, session.user_id, Closing::One(session.id), origin)
            .await
    }

    /// Ends all sessions of `user_id`, or all but the one that asks.
    ///
    /// # Errors
    /// As [`SessionFlow::close_one`].
    pub async fn close_all(
        &self,
        asker: Asker,
        user_id: UserId,
        keep_asking: bool,
        origin: Provenance,
    ) -> Result<(), SessionError> {
        let except = keep_asking.then_some(asker.session_id);
        self.close(asker, user_id, Closing::All { except }, origin)
            .await
    }

    async fn close(
        &self,
        asker: Asker,
        user_id: UserId,
        closing: Closing,
        origin: Provenance,
    ) -> Result<(), SessionError> {
        if asker.user_id != user_id {
            access::may_close(&self.role, asker.user_id, user_id).await?;
        }
        let order = CloseOrder {
            user_id,
            closing,
            origin,
            now: self.clock.now(),
        };
        self.store.close(order).await?;
        Ok(())
    }
}
