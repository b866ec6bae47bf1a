//! Asserts of session what is alike in every service.

use session_service::{ALL_MIGRATIONS, models::error::SessionError};
use testkit::{Backend, TestDatabase};
use ud_http::Problem;
use ud_kernel::Service;

#[test]
fn a_store_that_fails_has_one_code_in_every_service() {
    testkit::assert_store_failures(|error| Problem::from(SessionError::from(error)).code());
}

#[tokio::test]
async fn what_is_said_is_what_goes() {
    // It has no tables elsewhere.
    let database = TestDatabase::create(Backend::Sqlite);
    testkit::assert_reverts(Service::Session, &ALL_MIGRATIONS, &database).await;
}
