//! Asserts of profile what is alike in every service.

use rstest::rstest;
use testkit::{Backend, TestDatabase};
use ud_http::Problem;
use ud_kernel::Service;
use user_profile_service::{ALL_MIGRATIONS, models::ProfileError};

#[test]
fn a_store_that_fails_has_one_code_in_every_service() {
    testkit::assert_store_failures(|error| Problem::from(ProfileError::from(error)).code());
}

#[rstest]
#[tokio::test]
async fn what_is_said_is_what_goes(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let database = TestDatabase::create(backend);
    testkit::assert_reverts(Service::Profile, &ALL_MIGRATIONS, &database).await;
}
