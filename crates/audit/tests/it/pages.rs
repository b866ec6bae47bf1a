//! Filters, and pages that stay where they are while the log grows.

use std::time::Duration;

use rstest::rstest;
use testkit::Backend;
use ud_events::Outcome;
use ud_http::{Page, PageRequest};
use ud_kernel::UserId;
use user_audit_service::models::{
    record::NewRecord,
    record_store::{Record, RecordFilter},
};

use crate::world::{START, World, record, records as some, user};

fn deed(actor: Option<UserId>, action: &str, target: &str, seconds: u64) -> NewRecord {
    NewRecord {
        actor_id: actor,
        action: action.to_owned(),
        target_id: target.to_owned(),
        occurred_at: START.plus(Duration::from_secs(seconds)),
        outcome: Outcome::Failure,
        ..record()
    }
}

fn matches(filter: &RecordFilter, record: &Record) -> bool {
    filter.actor_id.is_none_or(|a| record.actor_id == Some(a))
        && filter
            .target_id
            .as_ref()
            .is_none_or(|t| record.target_id == *t)
        && filter.action.as_ref().is_none_or(|a| record.action == *a)
        && filter.from.is_none_or(|from| record.occurred_at >= from)
        && filter.to.is_none_or(|to| record.occurred_at < to)
        && filter.before.is_none_or(|place| record.seq < place)
}

#[rstest]
#[tokio::test]
async fn each_filter_and_all_of_them_together(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let (ann, bob) = (user(), user());
    let actors = [Some(ann), Some(bob), None];
    let targets = ["t", "t ", "T", "ü", "\u{1F512}"];
    let mut new = Vec::new();
    for n in 0..90_u64 {
        let pick = usize::try_from(n).unwrap();
        let action = ["order_placed", "order.placed"][pick % 2];
        // Times go up and down along the log, as senders' clocks do.
        new.push(deed(
            actors[pick % 3],
            action,
            targets[pick % 5],
            (n * 37) % 90,
        ));
    }
    let at = |seconds| Some(START.plus(Duration::from_secs(seconds)));
    let mut filters = vec![RecordFilter::default()];
    for actor_id in [None, Some(ann), Some(user())] {
        for target_id in [None, Some("t"), Some("t "), Some("T"), Some("ü"), Some("")] {
            for action in [None, Some("order_placed"), Some("order%")] {
                for (from, to) in [(None, None), (at(10), at(70)), (at(70), at(10))] {
                    for before in [None, Some(46), Some(i64::MIN), Some(i64::MAX)] {
                        filters.push(RecordFilter {
                            actor_id,
                            target_id: target_id.map(str::to_owned),
                            action: action.map(str::to_owned),
                            from,
                            to,
                            before,
                        });
                    }
                }
            }
        }
    }
    let world = World::on(backend).await;
    world.append(new.clone()).await.unwrap();
    let log = world.log().await;
    for filter in &filters {
        let found = page_of(&world, filter, 200).await;
        let expected: Vec<_> = log.iter().rev().filter(|r| matches(filter, r)).collect();
        assert_eq!(
            found.items.iter().collect::<Vec<_>>(),
            expected,
            "{filter:?} {}",
            world.database.backend
        );
        assert_eq!(found.next_cursor, None);
    }
}

async fn page_of(world: &World, filter: &RecordFilter, limit: u8) -> Page<Record> {
    let request = PageRequest::up_to(200, Some(limit), None).unwrap();
    let records = world.flow.list(filter.clone(), request.to_read()).await;
    request.page(records.unwrap(), |record| record.seq)
}

#[rstest]
#[tokio::test]
async fn pages_are_stable_while_the_log_grows(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    world.append(some(50)).await.unwrap();
    let before: Vec<_> = world.log().await.iter().rev().map(|r| r.id).collect();
    let mut seen = Vec::new();
    let mut filter = RecordFilter::default();
    loop {
        let page = page_of(&world, &filter, 7).await;
        filter.before = page.items.last().map(|r| r.seq);
        seen.extend(page.items.into_iter().map(|r| r.id));
        if page.next_cursor.is_none() {
            break;
        }
        world.append(some(3)).await.unwrap();
    }
    assert_eq!(seen, before, "{}", world.database.backend);
}

#[rstest]
#[tokio::test]
async fn a_full_last_page_is_the_last(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let world = World::on(backend).await;
    world.append(some(4)).await.unwrap();
    for (limit, expected) in [(3, (3, true)), (4, (4, false)), (5, (4, false))] {
        let page = page_of(&world, &RecordFilter::default(), limit).await;
        let found = (page.items.len(), page.next_cursor.is_some());
        assert_eq!(found, expected, "{}", world.database.backend);
    }
}
