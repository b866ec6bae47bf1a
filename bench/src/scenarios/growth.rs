//! What a request costs when there are a hundred times as many users.

use end_to_end::Person;
use testkit::TestDatabase;
use ud_kernel::Service;

use super::refresh::Chain;
use crate::{
    drive::{Client, Until, closed},
    pace::Pace,
    report::{Pairs, Row, Target},
    stats::Figure,
    wire::{Wire, get_request},
    world::{World, from_address, login_request},
};

/// Users of the small platform, and of the large one.
const FEW: usize = 10_000;
const MANY: usize = 1_000_000;
/// Users of each who log in, read and refresh: spread over all.
const ACTIVE: usize = 1_000;
/// Clients at once.
const CLIENTS: usize = 16;
/// What a request may cost more.
const BOUND: f64 = 1.2;
/// Part of the template's identifiers that is another in each copy.
const MARK: &str = "template";

/// A platform with many users.
struct Town {
    world: World,
    users: usize,
    password: String,
    /// Tokens of the last logins: access, refresh.
    tokens: Vec<(String, String)>,
}

/// Sends requests in turn; collects tokens if the answers have some.
struct InTurn {
    wire: Wire,
    requests: Vec<Vec<u8>>,
    next: usize,
    tokens: Vec<(String, String)>,
}

impl Client for InTurn {
    async fn call(&mut self) -> Result<(), String> {
        let request = self.requests.get(self.next % self.requests.len());
        let request = request.ok_or("nothing to send")?;
        let reply = self.wire.send(request).await?.must(200)?;
        self.next += 1;
        if let (Some(access), Some(refresh)) =
            (reply.text("access_token"), reply.text("refresh_token"))
        {
            self.tokens.push((access, refresh));
        }
        Ok(())
    }
}

/// Logins, reads of the own profile and refreshes, with few users and with many in turns.
pub async fn compare(pace: Pace) -> Vec<Row> {
    if pace.is_quick {
        let row = Row::told("growth", "left out of the quick run".to_owned());
        return vec![row];
    }
    let mut few = Town::fill(FEW).await;
    let mut many = Town::fill(MANY).await;
    let mut pairs: [Pairs; 3] = Default::default();
    for _ in 0..pace.rounds {
        pairs[0].limit.push(few.log_in().await);
        pairs[0].own.push(many.log_in().await);
        pairs[1].limit.push(few.read(pace).await);
        pairs[1].own.push(many.read(pace).await);
        pairs[2].limit.push(few.refresh(pace).await);
        pairs[2].own.push(many.refresh(pace).await);
    }
    let names = ["login, bcrypt cost 4", "profile read", "refresh"];
    let rows = names.iter().zip(&pairs).map(|(name, pairs)| {
        let name = format!("{name}, a million users");
        pairs.cost_row(&name, "/s", "ten thousand users", Target::RatioBelow(BOUND))
    });
    rows.collect()
}

impl Town {
    /// A platform with `users` that differ in nothing but their names.
    async fn fill(users: usize) -> Self {
        // The cheapest hash: everything else of a login is to be seen.
        let mut world = World::start(Some("4")).await;
        world.settle().await;
        let template = Person {
            email: format!("{MARK}@example.com"),
            username: MARK.to_owned(),
            ..Person::new()
        };
        let template = world.platform.client.register(template).await;
        let auth = world.platform.database(Service::Auth);
        let profile = world.platform.database(Service::Profile);
        for sql in statements(&template.id, users) {
            let database = if sql.contains("INTO users") || sql.contains("INTO user_words") {
                profile
            } else {
                auth
            };
            database.execute(&sql);
        }
        for database in [auth, profile] {
            vacuum(database);
        }
        Self {
            world,
            users,
            password: template.password,
            tokens: Vec::new(),
        }
    }

    async fn in_turn(&self, service: Service, requests: Vec<Vec<u8>>) -> Vec<InTurn> {
        let wires = self.world.wires(service, CLIENTS).await;
        let share = requests.len().div_ceil(CLIENTS);
        let shares = requests.chunks(share).map(<[_]>::to_vec);
        let client = |(wire, requests)| InTurn {
            wire,
            requests,
            next: 0,
            tokens: Vec::new(),
        };
        wires.into_iter().zip(shares).map(client).collect()
    }

    async fn log_in(&mut self) -> Figure {
        let request = |index: usize| {
            let number = 1 + index * (self.users / ACTIVE);
            let request = login_request(&Person {
                email: format!("m{number}@example.com"),
                password: self.password.clone(),
                ..Person::new()
            });
            // A million users have more than one address, of which each has its share of the hash queue.
            from_address(
                &request,
                &format!("198.{}.{}.1", 18 + index / 250, index % 250),
            )
        };
        let requests = (0..ACTIVE).map(request).collect();
        let clients = self.in_turn(Service::Auth, requests).await;
        let (figure, clients) = closed(clients, Until::Count(ACTIVE)).await;
        self.tokens = clients.into_iter().flat_map(|c| c.tokens).collect();
        figure
    }

    async fn read(&self, pace: Pace) -> Figure {
        let request = |(access, _): &(String, String)| get_request("/api/v1/users/me", access);
        let requests = self.tokens.iter().map(request).collect();
        let clients = self.in_turn(Service::Profile, requests).await;
        closed(clients, until(pace)).await.0
    }

    async fn refresh(&self, pace: Pace) -> Figure {
        let wires = self.world.wires(Service::Auth, CLIENTS).await;
        let step = (self.tokens.len() / CLIENTS).max(1);
        let tokens = self.tokens.iter().step_by(step);
        let chains = wires.into_iter().zip(tokens);
        let chains = chains.map(|(wire, (_, refresh))| Chain::new(wire, refresh.clone()));
        closed(chains.collect(), until(pace)).await.0
    }
}

const fn until(pace: Pace) -> Until {
    Until::Time {
        warm: pace.warm,
        span: pace.span,
    }
}

/// Copies of the user `template` in every table that has users, numbered from 1.
fn statements(template: &str, users: usize) -> [String; 4] {
    let id = "('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid";
    let copies = format!("generate_series(1, {users}) n WHERE t");
    let named = |column: &str| format!("replace({column}, '{MARK}', 'm' || n)");
    [
        format!(
            "INSERT INTO credentials SELECT {id}, status, password_hash, epoch, status_sequence, event_seq, \
             created_at, updated_at FROM credentials t, {copies}.user_id = '{template}'"
        ),
        format!(
            "INSERT INTO identifiers SELECT {id}, kind, {}, {}, held_until, created_at \
             FROM identifiers t, {copies}.user_id = '{template}'",
            named("canonical"),
            named("written")
        ),
        format!(
            "INSERT INTO users SELECT {id}, status, {}, {}, email_verified, {}, given_name, family_name, phone, \
             locale, timezone, version, created_at, updated_at FROM users t, {copies}.id = '{template}'",
            named("email"),
            named("email_canonical"),
            named("username")
        ),
        format!(
            "INSERT INTO user_words SELECT {}, {id} FROM user_words t, {copies}.user_id = '{template}'",
            named("word")
        ),
    ]
}

/// As the database does by itself when it is left alone for a while.
fn vacuum(database: &TestDatabase) {
    database.execute("VACUUM ANALYZE");
}
