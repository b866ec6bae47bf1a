//! Two replicas of each service, on servers.

use rstest::rstest;
use testkit::Backend;

use crate::journey::Journey;

#[rstest]
#[case(Backend::Postgres)]
#[case(Backend::Mysql)]
#[tokio::test]
async fn nobody_notices_an_upgrade_and_the_way_back(#[case] backend: Backend) {
    println!("five services on {backend} and Redis, two replicas each:");
    let mut journey = Journey::begin(backend).await;
    journey.migrate().await;
    journey.go_up().await;
    journey.go_down().await;
    journey.revert().await;
    // And again, for good: what waited for the newer release arrives.
    journey.migrate().await;
    journey.go_up().await;
    journey.end().await;
}
