//! README's tour works as it stands there.

use end_to_end::{Kind, Platform, take_the_tour};
use rstest::rstest;

#[rstest]
#[tokio::test]
async fn readmes_tour_works_as_it_is_written(
    #[values(Kind::Services, Kind::Standalone)] kind: Kind,
) {
    let platform = Platform::start(kind).await;
    let (base, chief) = (platform.client.base().to_owned(), platform.chief.clone());
    let tour = move || take_the_tour(&base, &chief.email, &chief.password);
    tokio::task::spawn_blocking(tour).await.unwrap();
}
