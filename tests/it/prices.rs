//! What each operation costs that strangers, or users for themselves, may call (SECURITY rule 26): docs/PRICES.md.

use std::{collections::BTreeMap, time::Instant};

use end_to_end::{Answer, Call, Client, Kept, Kind, Options, Platform, Rows};
use ud_kernel::Service;

use crate::{
    openapi::{Operation, operations},
    prices_asked,
    prices_costs::{Costs, access_lines, costs_of},
    prices_table::{self, Price},
};

/// The audit log's own tables: what goes there may come later than the answer, and is told from the requests' ids. And
/// those of events on their way, which do not stay.
const APART: [&str; 5] = [
    "audit.records",
    "audit.record_counter",
    "audit.inbox",
    "outbox",
    "outbox_deliveries",
];

/// Not in the OpenAPI documents, and open.
const UNDOCUMENTED: [&str; 2] = ["GET /healthz", "GET /readyz"];

/// A request that was sent, and what stayed of it but for the audit log.
struct Asked {
    operation: &'static str,
    case: &'static str,
    cpu: &'static str,
    status: u16,
    id: String,
    kept: Kept,
}

/// Sends requests and takes note of them.
pub struct Meter {
    /// What they are sent to.
    pub platform: Platform,
    client: Client,
    began: Instant,
    asked: Vec<Asked>,
}

impl Meter {
    async fn start(kind: Kind) -> Self {
        let options = Options::new(kind)
            .set("LOG_LEVEL", "info,access=debug")
            .set("LIMIT_LOGIN_FAILURES", "")
            .set(
                "LIMIT_REVOKE",
                &format!("{}/3600", prices_asked::REVOCATIONS),
            );
        let platform = options.start().await;
        if kind == Kind::Standalone {
            platform.know_of_later_tokens();
        }
        // Nobody has tried anything from there; the first administrator's client has.
        let client = platform.client_at(7, 1);
        Self {
            platform,
            client,
            began: Instant::now(),
            asked: Vec::new(),
        }
    }

    /// When its platform had started.
    pub const fn began(&self) -> Instant {
        self.began
    }

    /// Whether `operation` was asked.
    pub fn has_asked(&self, operation: &str) -> bool {
        self.asked.iter().any(|asked| asked.operation == operation)
    }

    /// A client of its platform.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Whether this is standalone, where everything is seen.
    pub fn is_standalone(&self) -> bool {
        self.platform.kind == Kind::Standalone
    }

    async fn rows(&self) -> Rows {
        if !self.is_standalone() {
            return Rows::default();
        }
        self.platform.until_delivered().await;
        let rows = self.platform.rows();
        rows.without(&APART)
    }

    /// Sends `call` when nothing else is under way. `operation` is its method and path pattern; `cpu` what it computes.
    pub async fn ask(
        &mut self,
        operation: &'static str,
        case: &'static str,
        cpu: &'static str,
        call: Call,
    ) -> Answer {
        let before = self.rows().await;
        let answer = if self.is_standalone() {
            // Whether the request or its event reaches a service first is chance, and the second finds less to do.
            self.platform.hold_events();
            let answer = call.await;
            self.platform.let_events_go();
            answer
        } else {
            call.await
        };
        let kept = self.rows().await.since(&before);
        let id = answer.header("x-request-id").unwrap();
        self.asked.push(Asked {
            operation,
            case,
            cpu,
            status: answer.status,
            id,
            kept,
        });
        answer
    }

    /// What was asked, with all that it cost.
    async fn prices(mut self) -> Vec<Price> {
        let operations = operations(&self.platform).await;
        let mut records = BTreeMap::new();
        if self.is_standalone() {
            // What waits to be told to the audit log goes into the outbox at the end, and from there after a start.
            assert!(self.platform.stop(Service::Auth).await.success());
            self.platform.restart(Service::Auth).await;
            self.platform.until_delivered().await;
            records = self.platform.audit_records();
        } else {
            self.platform.shut_down().await;
        }
        let lines = access_lines(&self.platform.logs());
        let (asked, is_standalone) = (std::mem::take(&mut self.asked), self.is_standalone());
        let price = |asked: Asked| {
            let costs = costs_of(&asked.id, &lines);
            assert!(costs.is_some() || !is_standalone, "{}", asked.case);
            let costs = costs.unwrap_or_default();
            let mut kept = asked.kept;
            if let Some(record) = records.get(&asked.id) {
                kept.add(record);
            }
            Price {
                limits: limits_of(&operations, asked.operation),
                operation: asked.operation.to_owned(),
                case: asked.case,
                status: asked.status,
                redis: costs.redis,
                costs,
                kept,
                cpu: asked.cpu,
            }
        };
        let prices: Vec<_> = asked.into_iter().map(price).collect();
        assert_complete(&operations, &prices, is_standalone);
        prices
    }
}

fn name_of(operation: &Operation) -> String {
    format!("{} {}", operation.method, operation.path)
}

fn limits_of(operations: &[Operation], name: &str) -> Vec<String> {
    let found = operations.iter().find(|o| name_of(o) == name);
    let limits = found.into_iter().flat_map(|o| &o.limits);
    let keys = limits.map(|limit| format!("LIMIT_{}", limit.to_uppercase()));
    let keys: Vec<_> = keys.collect();
    for key in &keys {
        let is_known = ud_config::keys::limits().any(|known| *known.name == **key);
        assert!(is_known, "{key}");
    }
    keys
}

/// Every operation that is open to strangers, or to users for themselves, was asked with success.
fn assert_complete(operations: &[Operation], prices: &[Price], is_standalone: bool) {
    let is_priced = |name: &str| {
        let mut of_it = prices.iter().filter(|price| price.operation == name);
        of_it.any(|price| (200..300).contains(&price.status))
    };
    let is_open = |o: &&Operation| o.permissions.is_empty();
    let names = operations.iter().filter(is_open).map(name_of);
    let others = UNDOCUMENTED.iter().filter(|_| is_standalone);
    let names = names.chain(others.map(|name| (*name).to_owned()));
    let missing: Vec<_> = names.filter(|name| !is_priced(name)).collect();
    assert!(missing.is_empty(), "without a price: {missing:?}");
}

async fn measured(kind: Kind) -> Vec<Price> {
    let mut meter = Meter::start(kind).await;
    prices_asked::everything(&mut meter).await;
    meter.prices().await
}

#[tokio::test]
async fn every_operation_has_its_price() {
    let (mut alone, five) = (
        measured(Kind::Standalone).await,
        measured(Kind::Services).await,
    );
    for one in &five {
        let same = alone
            .iter_mut()
            .find(|other| (&*other.operation, other.case) == (&*one.operation, one.case));
        let same = same.unwrap_or_else(|| panic!("not asked of standalone: {one:?}"));
        assert_eq!(same.status, one.status, "{one:?}");
        same.redis = one.redis;
        let turns = |price: &Price| {
            let database = price.costs.database.iter();
            let database = database.filter(|(service, _)| *service != "session");
            let turns: Vec<_> = database
                .map(|(service, (n, _))| (service.clone(), *n))
                .collect();
            (turns, price.costs.inner)
        };
        // What the gateway refuses by itself reaches nobody.
        let is_refused_before = one.costs == Costs::default();
        assert!(
            is_refused_before || turns(one) == turns(same),
            "on separate services {one:?}, on standalone {same:?}"
        );
    }
    prices_table::are_written(&alone);
}
