//! What is alike in every service.

use role_service::{ALL_MIGRATIONS, models::RoleError};
use ud_http::Problem;
use ud_kernel::Service;

#[test]
fn a_store_that_fails_has_one_code_in_every_service() {
    testkit::assert_store_failures(|error| Problem::from(RoleError::from(error)).code());
}

#[tokio::test]
async fn what_is_said_is_what_goes() {
    for database in testkit::databases() {
        testkit::assert_reverts(Service::Role, &ALL_MIGRATIONS, &database).await;
    }
}
