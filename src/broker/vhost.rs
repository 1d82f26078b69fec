//! One vhost: its exchanges and bindings in a router, its queues in a registry.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dashmap::DashMap;
use parking_lot::{Mutex, RwLock};

use crate::model::{AmqpError, Name, PropertiesView, ReplyCode};
use crate::routing::{Cacheable, ExchangeKind, Router};

use super::exchange_side::{ExchangeSide, Sides};
use super::gates::Terms;
use super::policies::PolicyBooks;
use super::queue_cell::{QueueCell, QueueRef};
use super::quotas::Quota;
use super::statistics::{Counters, ExchangeTraffic, Totals};
use super::vhost_limits::VhostLimits;

/// A vhost. Changes of its topology are made one at a time, under `admin`; messages only read.
pub struct Vhost {
    /// Its name.
    pub name: Name,
    /// What people read about it.
    pub description: RwLock<String>,
    /// Held while the topology is changed and stored; never on the path of a message.
    pub(super) admin: Mutex<()>,
    pub(super) router: RwLock<Router<QueueRef>>,
    pub(super) queues: DashMap<Name, Arc<QueueCell>>,
    pub(super) policies: RwLock<PolicyBooks>,
    pub(super) sides: Sides,
    /// Whether any exchange ever had a side: most vhosts know none and need not look.
    pub(super) has_sides: AtomicBool,
    pub(super) limits: RwLock<VhostLimits>,
    pub(super) quota: Quota,
    /// Whether any queue ever had a quota: most vhosts know none and need not look.
    pub(super) has_quotas: AtomicBool,
    /// The firehose is on.
    pub(super) tapped: AtomicBool,
    /// What publishers did.
    pub(super) traffic: Arc<Counters>,
    /// What queues counted that are gone.
    pub(super) retired: Mutex<Totals>,
    /// Of the exchanges that something was published to.
    pub(super) exchange_traffic: DashMap<Name, Arc<ExchangeTraffic>>,
    /// Publishes for which the router was asked.
    route_misses: AtomicU64,
    generation: AtomicU64,
    /// It is being deleted: nothing new may be declared in it. Changed and read under `admin`.
    pub(super) deleted: AtomicBool,
}

impl Vhost {
    /// A vhost with the predeclared exchanges.
    #[must_use]
    pub fn new(name: Name, description: String) -> Self {
        Self {
            name,
            description: RwLock::new(description),
            admin: Mutex::new(()),
            router: RwLock::new(Router::new()),
            queues: DashMap::new(),
            policies: RwLock::default(),
            sides: Sides::default(),
            has_sides: AtomicBool::new(false),
            limits: RwLock::default(),
            quota: Quota::default(),
            has_quotas: AtomicBool::new(false),
            tapped: AtomicBool::new(false),
            traffic: Arc::default(),
            retired: Mutex::default(),
            exchange_traffic: DashMap::new(),
            route_misses: AtomicU64::new(0),
            generation: AtomicU64::new(1),
            deleted: AtomicBool::new(false),
        }
    }

    /// Grows with each change of exchanges, queues and bindings; a cached route holds for one generation.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// A channel did not remember a route.
    pub(super) fn count_route_miss(&self) {
        self.route_misses.fetch_add(1, Ordering::Relaxed);
    }

    /// Publishes for which the router was asked, because their channel did not remember the route.
    #[must_use]
    pub fn route_misses(&self) -> u64 {
        self.route_misses.load(Ordering::Relaxed)
    }

    /// To be called after a change, before its `-ok` goes out.
    pub(super) fn changed(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// 530 for a vhost that is being deleted: what is declared in it would be lost. To be asked under `admin`.
    pub(super) fn check_standing(&self) -> Result<(), AmqpError> {
        match self.deleted.load(Ordering::Acquire) {
            true => Err(AmqpError::connection(
                ReplyCode::NotAllowed,
                format_args!("vhost '{}' is deleted", self.name),
            )),
            false => Ok(()),
        }
    }

    /// The queue of that name, or the 404 that RabbitMQ answers.
    pub fn queue(&self, name: &str) -> Result<Arc<QueueCell>, AmqpError> {
        self.find_queue(name).ok_or_else(|| {
            AmqpError::channel(
                ReplyCode::NotFound,
                format_args!("no queue '{name}' in vhost '{}'", self.name),
            )
        })
    }

    /// The queue of that name.
    #[must_use]
    pub fn find_queue(&self, name: &str) -> Option<Arc<QueueCell>> {
        self.queues.get(name).map(|entry| Arc::clone(entry.value()))
    }

    /// All queues, in order of name.
    #[must_use]
    pub fn queues(&self) -> Vec<Arc<QueueCell>> {
        let mut queues: Vec<_> = self.queues.iter().map(|entry| Arc::clone(entry.value())).collect();
        queues.sort_by(|a, b| a.name.cmp(&b.name));
        queues
    }

    /// How many queues there are.
    #[must_use]
    pub fn queue_count(&self) -> usize {
        self.queues.len()
    }

    /// The 404 for an exchange.
    pub(super) fn no_exchange(&self, name: &str) -> AmqpError {
        AmqpError::channel(
            ReplyCode::NotFound,
            format_args!("no exchange '{name}' in vhost '{}'", self.name),
        )
    }

    /// Whether the exchange exists and clients may not publish to it; `None` where it does not exist.
    #[must_use]
    pub fn exchange_is_internal(&self, name: &str) -> Option<bool> {
        self.router.read().get(name).map(|exchange| exchange.spec().internal)
    }

    /// Whether every vhost has this exchange from the start.
    #[must_use]
    pub fn is_predeclared(exchange: &str) -> bool {
        Router::<QueueRef>::new().get(exchange).is_some()
    }

    /// The exchange's type; `None` where it does not exist.
    #[must_use]
    pub fn exchange_kind(&self, name: &str) -> Option<ExchangeKind> {
        self.router.read().get(name).map(|exchange| exchange.spec().kind)
    }

    /// 404 where the exchange does not exist, 403 where clients may not publish to it.
    pub fn check_publishable(&self, exchange: &str) -> Result<(), AmqpError> {
        match self.exchange_is_internal(exchange) {
            None => Err(self.no_exchange(exchange)),
            Some(true) => Err(AmqpError::channel(
                ReplyCode::AccessRefused,
                format_args!(
                    "cannot publish to internal exchange '{exchange}' in vhost '{}'",
                    self.name
                ),
            )),
            Some(false) => Ok(()),
        }
    }

    /// Puts the queues that a message reaches into `out`, each once; says whether the route may be kept for exchange
    /// and key. `None` where there is no such exchange.
    pub fn route(
        &self,
        exchange: &str,
        routing_key: &str,
        properties: PropertiesView<'_>,
        random: u64,
        out: &mut Vec<QueueRef>,
    ) -> Option<Cacheable> {
        let way = self.route_publish(exchange, &[routing_key], properties, random, Terms::default(), out);
        way.map(|way| way.cacheable)
    }

    /// The same for a message with further keys from its CC and BCC headers; its own key comes first.
    pub fn route_many<'k>(
        &self,
        exchange: &str,
        keys: impl IntoIterator<Item = &'k str>,
        properties: PropertiesView<'_>,
        random: u64,
        out: &mut Vec<QueueRef>,
    ) -> Option<Cacheable> {
        let keys: Vec<&str> = keys.into_iter().collect();
        let way = self.route_publish(exchange, &keys, properties, random, Terms::default(), out);
        way.map(|way| way.cacheable)
    }

    /// Whether any exchange ever had more than bindings.
    pub(super) fn has_sides(&self) -> bool {
        self.has_sides.load(Ordering::Acquire)
    }

    /// What an exchange has beside its bindings.
    pub(super) fn side(&self, exchange: &str) -> Option<Arc<ExchangeSide>> {
        if !self.has_sides() {
            return None;
        }
        self.sides.read().get(exchange).cloned()
    }
}

impl std::fmt::Debug for Vhost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "vhost '{}'", self.name)
    }
}
