package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metric is one named metric of a T: what it is called, and where in a T its
// value stands.
type metric[T any] struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*T) (v float64, known bool)
}

func newDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("p2pban_"+name, help, labels, nil)
}

func counter[T any, N number](name, help, label string, value func(*T) N) metric[T] {
	return metric[T]{newDesc(name, help, label), prometheus.CounterValue, func(t *T) (float64, bool) { return float64(value(t)), true }}
}

func gauge[T any, N number](name, help, label string, value func(*T) N) metric[T] {
	return metric[T]{newDesc(name, help, label), prometheus.GaugeValue, func(t *T) (float64, bool) { return float64(value(t)), true }}
}

// stamp is a moment in seconds since 1970; there is no series before there is one.
func stamp[T any](name, help, label string, value func(*T) time.Time) metric[T] {
	return metric[T]{newDesc(name, help, label), prometheus.GaugeValue, func(t *T) (float64, bool) {
		at := value(t)
		return seconds(at), !at.IsZero()
	}}
}

type number interface {
	~int | ~int64 | ~uint64 | ~float64
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// metrics is every metric there is of ours, by what it belongs to.
type metrics struct {
	source   []metric[Source]
	jail     []metric[Jail]
	firewall []metric[Firewall]

	// Of the daemon as a whole, and those with two or more labels:
	build, alarms, queued, lostEvents          *prometheus.Desc
	saves, unsaved, checkpoint, checkpointTook *prometheus.Desc
	events, failures, rejected                 *prometheus.Desc
	connections, handshakeFailures             *prometheus.Desc
}

func newMetrics() *metrics {
	return &metrics{
		source: sourceMetrics(), jail: jailMetrics(), firewall: firewallMetrics(),

		build:          newDesc("build_info", "Always 1; the labels say which p2pban runs.", "version", "goversion"),
		alarms:         newDesc("alarms", "Alarms standing now, by kind; `p2pban status` names causes and cures.", "kind"),
		queued:         newDesc("queued_batches", "Batches of lines that wait to be judged; a full queue makes the sources wait."),
		lostEvents:     newDesc("event_stream_lost_total", "Events that slow readers of the event stream missed."),
		saves:          newDesc("state_save_seconds", "Time to save decisions, which comes before they are told."),
		unsaved:        newDesc("state_unsaved", "Decisions that the state file refused: enforced, but lost at a restart."),
		checkpoint:     newDesc("checkpoint_timestamp_seconds", "When windows and positions in the logs were last saved."),
		checkpointTook: newDesc("checkpoint_duration_seconds", "How long writing the last checkpoint took."),

		events:   newDesc("events_total", "Lines that accuse a host, by rule.", "source", "rule"),
		failures: newDesc("failures_total", "Failures in those lines: a line that stands for a hundred counts as a hundred.", "source", "rule"),
		rejected: newDesc("rejected_total", "Lines that looked relevant and accuse nobody, by reason.", "source", "reason"),

		connections:       newDesc("node_connections_total", "Connections that the node says were established, its sampling undone.", "source", "direction", "transport"),
		handshakeFailures: newDesc("node_handshake_failures_total", "Inbound handshakes that the node says failed, its sampling undone.", "source", "kind", "transport"),
	}
}

func sourceMetrics() []metric[Source] {
	const l = "source"
	return []metric[Source]{
		gauge("source_up", "Whether the source is being read.", l, func(s *Source) int { return boolean(s.Up) }),
		counter("lines_total", "Lines judged.", l, func(s *Source) int64 { return s.Lines }),
		counter("bytes_total", "Bytes read, newlines included.", l, func(s *Source) uint64 { return s.Bytes }),
		counter("cut_lines_total", "Lines that their carrier split or that were too long; of them only the beginning of a canonical record is evidence.", l, func(s *Source) uint64 { return s.Cut }),
		counter("discarded_bytes_total", "Bytes of lines beyond the longest that is kept.", l, func(s *Source) uint64 { return s.Discarded }),
		counter("suppressed_messages_total", "Messages that journald threw away before anybody could read them (its rate limit).", l, func(s *Source) uint64 { return s.Suppressed }),
		counter("log_rotations_total", "Times that a path led to a new file.", l, func(s *Source) uint64 { return s.Rotations }),
		counter("log_truncations_total", "Times that a file was emptied in place.", l, func(s *Source) uint64 { return s.Truncations }),
		{newDesc("source_lag_bytes", "Bytes known to be unread; absent where the source can't know.", l), prometheus.GaugeValue,
			func(s *Source) (float64, bool) { return float64(s.Lag), s.Lag >= 0 }},
		gauge("source_delay_seconds", "How old the last dated line was when it was judged.", l, func(s *Source) float64 { return s.Delay.Seconds() }),
		stamp("source_last_line_timestamp_seconds", "When the last line was judged.", l, func(s *Source) time.Time { return s.LastLine }),
		stamp("source_last_recognised_timestamp_seconds", "When the last line was judged whose record a rule knows.", l, func(s *Source) time.Time { return s.LastRecognised }),
		stamp("source_last_event_timestamp_seconds", "When the last line was judged that accuses a host.", l, func(s *Source) time.Time { return s.LastEvent }),
	}
}

func jailMetrics() []metric[Jail] {
	const l = "jail"
	return []metric[Jail]{
		gauge("jail_hosts", "Hosts with failures in memory.", l, func(j *Jail) int { return j.Hosts }),
		gauge("jail_lines", "Lines remembered for them.", l, func(j *Jail) int { return j.Lines }),
		gauge("bans", "Bans in force.", l, func(j *Jail) int { return j.Bans }),
		gauge("holding", "Bans that the eclipse guard holds back now.", l, func(j *Jail) int { return j.Holding }),
		counter("counted_events_total", "Events counted in a window.", l, func(j *Jail) int64 { return j.Events }),
		counter("bans_total", "Bans made.", l, func(j *Jail) int64 { return j.Banned }),
		counter("unbans_total", "Bans ended.", l, func(j *Jail) int64 { return j.Unbanned }),
		counter("displaced_total", "Bans ended early because the jail had maxbans.", l, func(j *Jail) int64 { return j.Displaced }),
		counter("held_total", "Bans that the eclipse guard held back.", l, func(j *Jail) int64 { return j.Held }),
		counter("ignored_total", "Events of ignored hosts and trusted peers.", l, func(j *Jail) int64 { return j.Ignored }),
		counter("late_total", "Events older than the window.", l, func(j *Jail) int64 { return j.Late }),
		counter("after_ban_total", "Events of hosts dated more than 30 seconds after their ban: it is not enforced.", l, func(j *Jail) int64 { return j.AfterBan }),
		counter("evicted_total", "Hosts forgotten because of maxhosts or maxevents.", l, func(j *Jail) int64 { return j.Evicted }),
		counter("widened_total", "Bans of whole networks in place of single ones.", l, func(j *Jail) int64 { return j.Widened }),
	}
}

func firewallMetrics() []metric[Firewall] {
	const l = "backend"
	return []metric[Firewall]{
		gauge("firewall_healthy", "Whether the last change worked.", l, func(f *Firewall) int { return boolean(f.Healthy) }),
		gauge("firewall_waiting", "Prefixes yet to be brought to the firewall.", l, func(f *Firewall) int { return f.Waiting }),
		counter("firewall_applied_total", "Prefixes set or lifted.", l, func(f *Firewall) int64 { return f.Applied }),
		counter("firewall_repaired_total", "Times that somebody else disturbed our rules and they were put back.", l, func(f *Firewall) int64 { return f.Repaired }),
		stamp("firewall_last_applied_timestamp_seconds", "When the last change worked.", l, func(f *Firewall) time.Time { return f.LastApplied }),
	}
}
