//! Prometheus metrics of one process.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
};

use prometheus::{
    Encoder as _, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry,
    TextEncoder, core::Collector,
};
use ud_kernel::{Clock, Service};

/// One registry; every metric in it has a label `service`. A clone is the same; [`Metrics::for_service`] is
/// the same registry under another service's label, for the process that runs all services.
#[derive(Clone)]
pub struct Metrics {
    service: Arc<str>,
    shared: Arc<Shared>,
}

struct Shared {
    registry: Registry,
    known: Mutex<HashMap<(Arc<str>, String), Known>>,
    resident: GaugeVec,
}

#[derive(Clone)]
struct Known {
    labels: Vec<String>,
    metric: Metric,
}

#[derive(Clone)]
enum Metric {
    Counter(IntCounterVec),
    Gauge(GaugeVec),
    Histogram(HistogramVec),
}

impl Metrics {
    /// Content type of [`Metrics::render`].
    pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// A registry with the process's own metrics in it; `service` is the label of this view.
    #[must_use]
    pub fn new(service: &str) -> Self {
        let resident = Opts::new("process_resident_memory_bytes", "Resident memory in bytes.")
            .const_label("service", service);
        let resident = GaugeVec::new(resident, &[])
            .unwrap_or_else(|error| defect("process_resident_memory_bytes", &error.to_string()));
        let metrics = Self {
            service: service.into(),
            shared: Arc::new(Shared {
                registry: Registry::new(),
                known: Mutex::default(),
                resident: resident.clone(),
            }),
        };
        metrics.register(resident);
        let start = metrics.gauge_vec(
            "process_start_time_seconds",
            "Start of the process in seconds since the Unix epoch.",
            &[],
        );
        let now = Clock::system().now().as_millis() as f64 / 1000.0;
        start.with_label_values::<&str>(&[]).set(now);
        metrics
    }

    /// The same registry, with another `service` on what is made through it.
    #[must_use]
    pub fn for_service(&self, service: Service) -> Self {
        Self {
            service: service.as_str().into(),
            shared: Arc::clone(&self.shared),
        }
    }

    /// A counter; its name ends in `_total`. The same name gives the same counter.
    ///
    /// # Panics
    /// On a name that is malformed or known with other labels or another type: a defect that shows when
    /// the program starts.
    #[must_use]
    pub fn counter_vec(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        let metric = self.find_or_make(name, labels, || {
            let counter = IntCounterVec::new(self.opts(name, help), labels)?;
            Ok(Metric::Counter(counter))
        });
        match metric {
            Metric::Counter(counter) => counter,
            _ => defect(name, "is not a counter"),
        }
    }

    /// A gauge. The same name gives the same gauge.
    ///
    /// # Panics
    /// As [`Metrics::counter_vec`].
    #[must_use]
    pub fn gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        let metric = self.find_or_make(name, labels, || {
            Ok(Metric::Gauge(GaugeVec::new(self.opts(name, help), labels)?))
        });
        match metric {
            Metric::Gauge(gauge) => gauge,
            _ => defect(name, "is not a gauge"),
        }
    }

    /// A histogram with the upper bounds `buckets`, in the unit that ends its name: `_seconds`, `_bytes`.
    /// The same name gives the same histogram, whatever the buckets.
    ///
    /// # Panics
    /// As [`Metrics::counter_vec`].
    #[must_use]
    pub fn histogram_vec(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> HistogramVec {
        let metric = self.find_or_make(name, labels, || {
            let opts = HistogramOpts::from(self.opts(name, help)).buckets(buckets.to_vec());
            Ok(Metric::Histogram(HistogramVec::new(opts, labels)?))
        });
        match metric {
            Metric::Histogram(histogram) => histogram,
            _ => defect(name, "is not a histogram"),
        }
    }

    /// All metrics in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        if let Some(bytes) = resident_bytes() {
            self.shared
                .resident
                .with_label_values::<&str>(&[])
                .set(bytes);
        }
        let mut text = Vec::new();
        // Writing to memory fails on families without a metric only, and `gather` leaves those out.
        let _ = TextEncoder::new().encode(&self.shared.registry.gather(), &mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    fn opts(&self, name: &str, help: &str) -> Opts {
        Opts::new(name, help).const_label("service", self.service.as_ref())
    }

    fn find_or_make(
        &self,
        name: &str,
        labels: &[&str],
        make: impl FnOnce() -> prometheus::Result<Metric>,
    ) -> Metric {
        let mut known = self
            .shared
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match known.entry((Arc::clone(&self.service), name.to_owned())) {
            Entry::Occupied(entry) if entry.get().labels != labels => {
                defect(name, "is known with other labels")
            }
            Entry::Occupied(entry) => entry.get().metric.clone(),
            Entry::Vacant(entry) => {
                let metric = make().unwrap_or_else(|error| defect(name, &error.to_string()));
                match metric.clone() {
                    Metric::Counter(counter) => self.register(counter),
                    Metric::Gauge(gauge) => self.register(gauge),
                    Metric::Histogram(histogram) => self.register(histogram),
                }
                let labels = labels.iter().map(ToString::to_string).collect();
                entry.insert(Known { labels, metric }).metric.clone()
            }
        }
    }

    fn register(&self, collector: impl Collector + 'static) {
        if let Err(error) = self.shared.registry.register(Box::new(collector)) {
            defect("a metric", &error.to_string());
        }
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Metrics").field(&self.service).finish()
    }
}

/// Resident memory as Linux tells it; none elsewhere.
fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

#[expect(clippy::panic, reason = "metrics are made at start, from constants")]
fn defect(name: &str, what: &str) -> ! {
    panic!("metric {name}: {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_is_the_same_metric() {
        let metrics = Metrics::new("auth");
        metrics
            .counter_vec("a_total", "A.", &["x"])
            .with_label_values(&["1"])
            .inc();
        metrics
            .clone()
            .counter_vec("a_total", "A.", &["x"])
            .with_label_values(&["1"])
            .inc();
        let text = metrics.render();
        assert!(
            text.contains("a_total{service=\"auth\",x=\"1\"} 2"),
            "{text}"
        );
    }

    #[test]
    fn services_in_one_process_share_a_family() {
        let metrics = Metrics::new("standalone");
        for service in [Service::Auth, Service::Role] {
            let view = metrics.for_service(service);
            view.gauge_vec("g", "G.", &[])
                .with_label_values::<&str>(&[])
                .set(1.5);
            view.histogram_vec("h_seconds", "H.", &["x"], &[0.1, 1.0])
                .with_label_values(&["y"])
                .observe(0.5);
        }
        let text = metrics.render();
        assert_eq!(text.matches("# TYPE g gauge").count(), 1, "{text}");
        assert!(
            text.contains("g{service=\"auth\"} 1.5") && text.contains("g{service=\"role\"} 1.5")
        );
        assert!(
            text.contains("h_seconds_bucket{service=\"role\",x=\"y\",le=\"0.1\"} 0"),
            "{text}"
        );
        assert!(
            text.contains("process_start_time_seconds{service=\"standalone\"}"),
            "{text}"
        );
    }

    #[test]
    #[should_panic(expected = "other labels")]
    fn other_labels_under_a_known_name_are_a_defect() {
        let metrics = Metrics::new("auth");
        let _ = metrics.counter_vec("a_total", "A.", &["x"]);
        let _ = metrics.counter_vec("a_total", "A.", &["y"]);
    }

    #[test]
    #[should_panic(expected = "is not a gauge")]
    fn another_type_under_a_known_name_is_a_defect() {
        let metrics = Metrics::new("auth");
        let _ = metrics.counter_vec("a_total", "A.", &[]);
        let _ = metrics.gauge_vec("a_total", "A.", &[]);
    }
}
