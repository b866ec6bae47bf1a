//! The whole platform, from outside.

use std::{
    cell::Cell, collections::BTreeMap, net::Ipv4Addr, path::PathBuf, thread, time::Duration,
};

use serde_json::json;
use tempfile::TempDir;
use testkit::{Proxy, RedisServer, TestDatabase};
use ud_kernel::Service;

use crate::{
    Client, Directory, Gateway, Identities, Kind, Login, OWN, Options, Person, Ports, Release,
    Running, SecretScanner, balancer::Balancer, environment, eventually,
};

/// How long a platform may take until its first administrator can log in; a loaded machine is slow.
const PATIENCE: Duration = Duration::from_secs(60);
/// First pause between two tries of the administrator to log in; each is twice as long as the last.
const FIRST_PAUSE: Duration = Duration::from_millis(25);

/// A running platform on fresh stores. Everything ends when it is dropped.
#[derive(Debug)]
pub struct Platform {
    /// Its kind.
    pub kind: Kind,
    /// A client of the gateway, from 127.0.0.1.
    pub client: Client,
    /// The first administrator.
    pub chief: Person,
    /// The first administrator's login.
    pub admin: Login,
    /// Who listens where.
    pub directory: Directory,
    /// All secrets and personal data that its clients sent and received.
    pub secrets: SecretScanner,
    // Dropped in this order: processes before what they talk to.
    pub(crate) processes: BTreeMap<Service, Running>,
    /// The second replicas, where there are two.
    pub(crate) seconds: BTreeMap<Service, Running>,
    balancer: Option<Balancer>,
    pub(crate) gateway: Option<Gateway>,
    pub(crate) links: Links,
    identities: Option<Identities>,
    databases: BTreeMap<Service, TestDatabase>,
    redis: Option<RedisServer>,
    folder: TempDir,
}

/// What stands between the processes, to be cut or held.
#[derive(Debug, Default)]
pub struct Links {
    /// Before the internal listener of each service.
    pub peers: BTreeMap<Service, Proxy>,
    /// Before each service's database.
    pub databases: BTreeMap<Service, Proxy>,
    /// Before Redis.
    pub redis: Option<Proxy>,
    /// See [`Options::hold_before`].
    pub held_callee: Option<Proxy>,
    /// See [`Options::hold_public`].
    pub held_public: Option<Proxy>,
}

impl Platform {
    /// A binary for each service behind NGINX, on PostgreSQL and Redis.
    pub async fn services() -> Self {
        Self::start(Kind::Services).await
    }

    /// The one binary on SQLite.
    pub async fn standalone() -> Self {
        Self::start(Kind::Standalone).await
    }

    /// An ordinary platform of this kind.
    pub async fn start(kind: Kind) -> Self {
        Options::new(kind).start().await
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        let directory = Directory::new(options.kind, Ports::reserve(), options.gateway_port);
        let mut platform = Self::empty(options.kind, directory);
        if options.is_proxied {
            platform.client = platform.client.clone().impatient();
        }
        match options.kind {
            Kind::Services => platform.start_services(&options),
            Kind::Standalone => platform.start_standalone(&options),
            Kind::Containers => panic!("containers are attached to"),
        }
        if !options.is_without_stores {
            platform.until_up(options.waits_for_administrator).await;
        }
        platform
    }

    /// Nothing that runs yet.
    pub(crate) fn empty(kind: Kind, directory: Directory) -> Self {
        let secrets = SecretScanner::default();
        let client = client_of(kind, &directory, Ipv4Addr::LOCALHOST, &secrets);
        let chief = Person {
            email: "chief@example.com".to_owned(),
            ..Person::new()
        };
        secrets.saw("password", &chief.password);
        Self {
            kind,
            client,
            admin: Login {
                access: String::new(),
                refresh: String::new(),
                session: String::new(),
                user: String::new(),
            },
            chief,
            directory,
            secrets,
            processes: BTreeMap::new(),
            seconds: BTreeMap::new(),
            balancer: None,
            gateway: None,
            links: Links::default(),
            identities: None,
            databases: BTreeMap::new(),
            redis: None,
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    /// Waits until every process is ready, and the first administrator is one if that is asked for.
    pub async fn until_up(&mut self, with_administrator: bool) {
        for process in self.processes.values().chain(self.seconds.values()) {
            process.until_ready().await;
        }
        if let Some(gateway) = &self.gateway {
            gateway.until_ready().await;
        }
        if let Some(balancer) = &self.balancer {
            balancer.assert_running();
        }
        if with_administrator {
            self.await_administrator().await;
        }
    }

    fn start_services(&mut self, options: &Options) {
        let keys = self.folder.path().join("keys");
        let (identities, redis, databases) = thread::scope(|scope| {
            let identities = scope.spawn(|| Identities::generate(&keys));
            let redis = scope.spawn(RedisServer::start);
            let owners = Service::ALL
                .into_iter()
                .filter(|service| service.declaration().has_database_server);
            let databases = owners.map(|s| (s, TestDatabase::create(options.backend)));
            let databases: BTreeMap<_, _> = databases.collect();
            let joined = (identities.join(), redis.join());
            (
                joined.0.expect("keygen"),
                joined.1.expect("Redis"),
                databases,
            )
        });
        self.identities = Some(identities);
        self.redis = Some(redis);
        self.databases = databases;
        self.put_links(options);
        if options.is_replicated {
            let folder = self.folder.path().join("internal");
            self.balancer = Some(Balancer::start(&folder, &self.directory));
        }
        for service in Service::ALL {
            let environment = environment::of_service(self, service, options);
            let ready = self.directory.of(service).ready;
            let log = self.log_file(options, service.as_str());
            let folder = self.folder.path();
            if options.is_replicated {
                let second = environment::of_second(self, service, &environment);
                let port = self.directory.second_ports(service).1;
                let ready = format!("http://127.0.0.1:{port}/readyz");
                let log = self.log_file(options, &format!("{service}-2"));
                let program = options.release.program_of(service);
                let second = options.run(program, folder, second, ready, log);
                self.seconds.insert(service, second);
            }
            let program = options.release.program_of(service);
            let process = options.run(program, folder, environment, ready, log);
            self.processes.insert(service, process);
        }
        let upstreams = Service::ALL.map(|service| {
            let direct = self.directory.public_port(service);
            let held = self.links.held_public.as_ref().map(Proxy::port);
            let is_held = options.held_public == Some(service);
            (service.as_str(), held.filter(|_| is_held).unwrap_or(direct))
        });
        let seconds = self.seconds.keys();
        let seconds = seconds.map(|s| (s.as_str(), self.directory.second_ports(*s).0));
        let upstreams: Vec<_> = upstreams.into_iter().chain(seconds).collect();
        let folder = self.folder.path().join("nginx");
        let port = self.directory.gateway_port();
        let start = match options.release {
            Release::This => Gateway::start,
            Release::In(_) => Gateway::start_reloadable,
        };
        self.gateway = Some(start(&folder, port, &upstreams, &options.limits));
    }

    fn start_standalone(&mut self, options: &Options) {
        let environment = environment::of_standalone(self, options);
        let ready = self.directory.of(Service::Auth).ready;
        let log = self.log_file(options, "standalone");
        let folder = self.folder.path();
        let program = options.release.standalone();
        let process = options.run(program, folder, environment, ready, log);
        self.processes.insert(Service::Auth, process);
    }

    fn log_file(&self, options: &Options, name: &str) -> Option<PathBuf> {
        let file = self.folder.path().join(format!("{name}.log"));
        options.logs_to_files.then_some(file)
    }

    fn put_links(&mut self, options: &Options) {
        if options.is_proxied {
            for service in Service::ALL {
                let port = self.directory.internal_port(service);
                self.links.peers.insert(service, Proxy::to_port(port));
            }
            for (service, database) in &self.databases {
                let proxy = Proxy::to_port(port_of(&database.url));
                self.links.databases.insert(*service, proxy);
            }
            self.links.redis = self
                .redis
                .as_ref()
                .map(|redis| Proxy::to_port(redis.port()));
        }
        if options.is_without_stores {
            let stores = self.links.databases.values().chain(&self.links.redis);
            stores.for_each(Proxy::cut);
        }
        let internal = |service| Proxy::to_port(self.directory.internal_port(service));
        self.links.held_callee = options.held_callee.map(internal);
        let public = |service| Proxy::to_port(self.directory.public_port(service));
        self.links.held_public = options.held_public.map(public);
    }

    /// Waits until the first administrator is one, and every service takes tokens.
    pub(crate) async fn await_administrator(&mut self) {
        let what = "the first administrator can log in and has every permission";
        let (client, chief) = (self.client.clone(), self.chief.clone());
        // Every try before there is an account counts as a failed login, and ten are the limit.
        let pause = Cell::new(FIRST_PAUSE);
        self.admin = eventually(PATIENCE, what, || async {
            let answer = client.try_log_in(&chief.email, &chief.password).await;
            let login = (answer.status == 200).then(|| Login::from_answer(answer));
            let is_one = |login: &Login| login.claims()["permissions"] == json!(["*"]);
            let login = login.filter(is_one);
            if login.is_none() {
                tokio::time::sleep(pause.replace(pause.get() * 2)).await;
            }
            login
        })
        .await;
        self.chief.id.clone_from(&self.admin.user);
        for (service, path) in OWN {
            eventually(PATIENCE, &format!("{service} takes tokens"), || async {
                let answer = self.client.get(path).bearer(&self.admin.access).await;
                (answer.status == 200).then_some(())
            })
            .await;
        }
    }

    /// A client of the gateway from another address, 127.0.`third`.`fourth`.
    #[must_use]
    pub fn client_at(&self, third: u8, fourth: u8) -> Client {
        let address = Ipv4Addr::new(127, 0, third, fourth);
        client_of(self.kind, &self.directory, address, &self.secrets)
    }

    /// A client of the internal listener of `service`.
    #[must_use]
    pub fn internal(&self, service: Service) -> Client {
        let base = self.directory.of(service).internal;
        Client::new(base, Ipv4Addr::LOCALHOST, self.secrets.clone())
    }

    /// NGINX.
    ///
    /// # Panics
    /// On standalone, which has none.
    #[must_use]
    pub fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().expect("standalone has no gateway")
    }

    /// What stands between the processes.
    #[must_use]
    pub const fn links(&self) -> &Links {
        &self.links
    }

    /// The services' identities.
    ///
    /// # Panics
    /// On standalone, which tells nobody.
    #[must_use]
    pub fn identities(&self) -> &Identities {
        self.identities
            .as_ref()
            .expect("standalone keeps its identities to itself")
    }

    /// The database of `service`.
    ///
    /// # Panics
    /// If it has none of its own on a server.
    #[must_use]
    pub fn database(&self, service: Service) -> &TestDatabase {
        self.databases
            .get(&service)
            .expect("a database on a server")
    }

    /// Redis.
    #[must_use]
    pub const fn redis(&self) -> Option<&RedisServer> {
        self.redis.as_ref()
    }

    /// Redis, to be killed and started again.
    ///
    /// # Panics
    /// On standalone, which has none.
    pub fn redis_mut(&mut self) -> &mut RedisServer {
        self.redis.as_mut().expect("standalone has no Redis")
    }

    /// Folder of its files; standalone's `DATA_DIR` is `data` in it.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// What the services wrote since this was asked last.
    pub fn fresh_logs(&mut self) -> String {
        self.processes
            .values_mut()
            .map(Running::fresh_log)
            .collect()
    }

    /// Stops everything in order: the gateway first, then the services, which finish what they do.
    pub async fn shut_down(&self) {
        if let Some(gateway) = &self.gateway {
            gateway.process().terminate();
            let _ = gateway.process().wait().await;
        }
        let all = || self.processes.values().chain(self.seconds.values());
        for process in all() {
            process.process().terminate();
        }
        for process in all() {
            let _ = process.process().wait().await;
        }
    }
}

/// Port of a URL with one.
fn port_of(url: &str) -> u16 {
    let rest = url.rsplit_once(':').expect("a port").1;
    let digits = rest.split('/').next().unwrap_or(rest);
    digits.parse().expect("a port")
}

fn client_of(
    kind: Kind,
    directory: &Directory,
    address: Ipv4Addr,
    secrets: &SecretScanner,
) -> Client {
    let client = Client::new(directory.gateway(), address, secrets.clone());
    match kind {
        Kind::Containers => client.telling(address),
        Kind::Services | Kind::Standalone => client,
    }
}
