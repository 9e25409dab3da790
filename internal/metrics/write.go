package metrics

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
)

// collector writes one Snapshot.
type collector struct {
	*metrics
	snapshot *Snapshot
}

var _ prometheus.Collector = collector{}

// Describe names every metric, so that a registry refuses two of one name.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	describe(out, c.source)
	describe(out, c.jail)
	describe(out, c.firewall)
	for _, d := range []*prometheus.Desc{
		c.build, c.alarms, c.queued, c.lostEvents, c.saves, c.unsaved, c.checkpoint, c.checkpointTook,
		c.events, c.failures, c.rejected, c.connections, c.handshakeFailures,
	} {
		out <- d
	}
}

func describe[T any](out chan<- *prometheus.Desc, all []metric[T]) {
	for _, m := range all {
		out <- m.desc
	}
}

// Collect writes the snapshot.
func (c collector) Collect(out chan<- prometheus.Metric) {
	w, s := writer{out}, c.snapshot
	w.gauge(c.build, 1, s.Version, runtime.Version())
	for kind, n := range s.Alarms {
		w.gauge(c.alarms, float64(n), kind)
	}
	w.gauge(c.queued, float64(s.Queued))
	w.counter(c.lostEvents, s.LostEvents)
	c.state(w)
	for i := range s.Sources {
		c.writeSource(w, &s.Sources[i])
	}
	for i := range s.Jails {
		write(w, c.jail, &s.Jails[i], s.Jails[i].Name)
	}
	for i := range s.Firewalls {
		write(w, c.firewall, &s.Firewalls[i], s.Firewalls[i].Backend)
	}
}

func (c collector) state(w writer) {
	s := c.snapshot
	buckets := make(map[float64]uint64, len(bounds))
	for i, upTo := range bounds {
		buckets[upTo] = s.Saves.buckets[i]
	}
	w.out <- prometheus.MustNewConstHistogram(c.saves, s.Saves.n, s.Saves.sum, buckets)
	w.gauge(c.unsaved, float64(s.Unsaved))
	if !s.Checkpoint.IsZero() {
		w.gauge(c.checkpoint, seconds(s.Checkpoint))
		w.gauge(c.checkpointTook, s.CheckpointTook.Seconds())
	}
}

func (c collector) writeSource(w writer, s *Source) {
	write(w, c.source, s, s.Name)
	for _, r := range s.Rules {
		w.counter(c.events, r.Events, s.Name, r.Name)
		w.counter(c.failures, r.Failures, s.Name, r.Name)
	}
	for reason, n := range s.Rejected {
		w.counter(c.rejected, n, s.Name, reason)
	}
	for _, n := range s.Connections {
		w.counter(c.connections, n.N, s.Name, n.Direction, n.Transport)
	}
	for _, n := range s.Failures {
		w.counter(c.handshakeFailures, n.N, s.Name, n.Kind, n.Transport)
	}
}

// write writes the metrics of one T, under its name.
func write[T any](w writer, all []metric[T], t *T, name string) {
	for _, m := range all {
		if v, known := m.value(t); known {
			w.out <- prometheus.MustNewConstMetric(m.desc, m.kind, v, name)
		}
	}
}

type writer struct{ out chan<- prometheus.Metric }

func (w writer) gauge(d *prometheus.Desc, v float64, labels ...string) {
	w.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (w writer) counter(d *prometheus.Desc, n int64, labels ...string) {
	w.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}
