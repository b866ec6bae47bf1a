//! SECURITY rules 3 and 13: there is always an administrator, and the first one is made once.

use diesel::{
    RunQueryDsl as _, sql_query,
    sql_types::{BigInt, Text},
};
use role_service::models::{ADMIN_ROLE, RoleError, assignment_flow};
use rstest::rstest;
use testkit::Backend;
use ud_db::{DbConn, StoreError};
use ud_kernel::UserId;

use crate::support::{Fixture, rounds};

#[rstest]
#[tokio::test]
async fn the_last_administrator_stays(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    let only = f.administrators().await.remove(0);
    assert_eq!(
        f.unassign_as(f.admin, only.id).await,
        Err(RoleError::LastAdministrator)
    );
    let other = f.user();
    f.assign(other, ADMIN_ROLE).await;
    f.unassign_as(f.admin, only.id).await.unwrap();
    assert_eq!(f.administrators().await.len(), 1);
    assert_eq!(
        f.unassign_as(f.admin, only.id).await,
        Err(RoleError::PermissionDenied),
        "no administrator any more"
    );
}

/// Two administrators remove each other, or each themselves, at the same moment: one is left.
#[rstest]
#[tokio::test]
async fn two_administrators_cannot_remove_each_other(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::new(backend).await;
    for round in 0..rounds() {
        let remaining = f.administrators().await.remove(0);
        let second = f
            .assign_as(remaining.user_id, f.user(), ADMIN_ROLE, None)
            .await
            .unwrap();
        let each_other = round % 2 == 0;
        let (a, b) = if each_other {
            (second.user_id, remaining.user_id)
        } else {
            (remaining.user_id, second.user_id)
        };
        let (first, other) =
            tokio::join!(f.unassign_as(a, remaining.id), f.unassign_as(b, second.id));
        let outcomes = [first.map(drop), other.map(drop)];
        let refusal = if each_other {
            RoleError::PermissionDenied
        } else {
            RoleError::LastAdministrator
        };
        assert!(
            outcomes.contains(&Ok(())),
            "{backend} round {round}: {outcomes:?}"
        );
        assert!(
            outcomes.contains(&Err(refusal)),
            "{backend} round {round}: {outcomes:?}"
        );
        assert_eq!(f.administrators().await.len(), 1, "{backend} round {round}");
    }
}

#[rstest]
#[tokio::test]
async fn the_first_administrator_is_made_once(
    #[values(Backend::Sqlite, Backend::Postgres, Backend::Mysql)] backend: Backend,
) {
    let f = Fixture::without_administrator(backend).await;
    let candidates: Vec<UserId> = (0..6).map(|_| f.user()).collect();
    let races = candidates
        .iter()
        .map(|user| f.make_first_administrator(*user));
    let outcomes = futures_join(races).await;
    let made: Vec<_> = candidates
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| **outcome == Ok(true))
        .map(|(user, _)| *user)
        .collect();
    assert_eq!(made.len(), 1, "{backend}: {outcomes:?}");
    let refused = outcomes
        .iter()
        .filter(|o| **o == Err(RoleError::AdministratorExists));
    assert_eq!(refused.count(), 5, "{backend}: {outcomes:?}");
    assert_eq!(f.make_first_administrator(made[0]).await, Ok(false));
    assert_eq!(f.administrators().await.len(), 1);

    // Nor is a second one made when the first is gone.
    let successor = f.user();
    f.assign_as(made[0], successor, ADMIN_ROLE, None)
        .await
        .unwrap();
    let first = f
        .administrators()
        .await
        .into_iter()
        .find(|a| a.user_id == made[0]);
    f.unassign_as(successor, first.unwrap().id).await.unwrap();
    assert_eq!(
        f.make_first_administrator(f.user()).await,
        Err(RoleError::AdministratorExists)
    );
    assert_eq!(f.make_first_administrator(made[0]).await, Ok(false));
    assert_eq!(
        f.administrators().await.len(),
        1,
        "being asked again restores nothing"
    );
}

async fn futures_join<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    futures_util::future::join_all(futures).await
}

#[derive(diesel::QueryableByName)]
struct Level {
    #[diesel(sql_type = Text)]
    level: String,
}

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

fn count_administrators(conn: &mut DbConn) -> Result<i64, StoreError> {
    let query = "SELECT COUNT(*) AS n FROM role_assignments";
    Ok(sql_query(query).get_result::<Count>(conn)?.n)
}

/// The count behind the lock is right only if a transaction sees what was committed since it began.
#[rstest]
#[case(
    Backend::Postgres,
    "SELECT current_setting('transaction_isolation') AS level"
)]
#[case(
    Backend::Mysql,
    "SELECT LOWER(REPLACE(@@SESSION.tx_isolation, '-', ' ')) AS level"
)]
#[tokio::test]
async fn transactions_see_what_others_commit(
    #[case] backend: Backend,
    #[case] query: &'static str,
) {
    let f = Fixture::new(backend).await;
    let user = f.user();
    let second = f.assign(user, ADMIN_ROLE).await;
    let (started, wait_started) = std::sync::mpsc::channel();
    let (go_on, wait_go_on) = std::sync::mpsc::channel::<()>();
    let wait_go_on = std::sync::Mutex::new(wait_go_on);
    let db = f.db.clone();
    let reader = tokio::spawn(async move {
        db.tx(move |conn| {
            let level = sql_query(query).get_result::<Level>(conn)?.level;
            let before = count_administrators(conn)?;
            started.send(()).unwrap();
            wait_go_on.lock().unwrap().recv().unwrap();
            Ok::<_, StoreError>((level, before, count_administrators(conn)?))
        })
        .await
    });
    tokio::task::spawn_blocking(move || wait_started.recv().unwrap())
        .await
        .unwrap();
    f.unassign_as(f.admin, second.id).await.unwrap();
    go_on.send(()).unwrap();
    let (level, before, after) = reader.await.unwrap().unwrap();
    assert_eq!(
        (level.as_str(), before, after),
        ("read committed", 2, 1),
        "{backend}"
    );
}

/// On SQLite there is one writer at a time instead: a change begins only when the one before is committed.
#[tokio::test]
async fn sqlite_has_one_writer_at_a_time() {
    let f = Fixture::new(Backend::Sqlite).await;
    let users: Vec<UserId> = (0..8).map(|_| f.user()).collect();
    let changes = users.iter().map(|&user| {
        let change = f.change(f.admin);
        f.tx(move |conn| {
            let before = count_administrators(conn)?;
            let new = role_service::models::NewAssignment {
                user_id: user,
                role_id: ADMIN_ROLE,
                expires_at: None,
            };
            assignment_flow::assign(conn, &change, new)?;
            Ok((before, count_administrators(conn)?))
        })
    });
    for outcome in futures_join(changes).await {
        let (before, after) = outcome.unwrap();
        assert_eq!(after, before + 1);
    }
}
