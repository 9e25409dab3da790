package parser

// format is the number of a framing; its name is what Result.Format says.
type format uint8

const (
	fmtNone format = iota
	fmtGoLogConsole
	fmtGoLogJSON
	fmtSlogText
	fmtSlogJSON
	fmtLogrusText
	fmtLogrusJSON
	fmtTracingFull
	fmtTracingCompact
	fmtTracingJSON
	fmtPolkadot
	fmtLighthouse
	fmtLighthouseSlog
	fmtWeald
	fmtPython
	fmtChronicles
	fmtChroniclesJSON
	fmtPrysm
	fmtCount
)

var formatNames = [fmtCount]string{
	fmtGoLogConsole:   "go-log-console",
	fmtGoLogJSON:      "go-log-json",
	fmtSlogText:       "slog-text",
	fmtSlogJSON:       "slog-json",
	fmtLogrusText:     "logrus-text",
	fmtLogrusJSON:     "logrus-json",
	fmtTracingFull:    "tracing-full",
	fmtTracingCompact: "tracing-compact",
	fmtTracingJSON:    "tracing-json",
	fmtPolkadot:       "polkadot",
	fmtLighthouse:     "lighthouse",
	fmtLighthouseSlog: "lighthouse-slog",
	fmtWeald:          "weald",
	fmtPython:         "python",
	fmtChronicles:     "chronicles-text",
	fmtChroniclesJSON: "chronicles-json",
	fmtPrysm:          "prysm",
}

// fieldless are the framings whose records have no fields of their own: what a
// rule wants of them it must take from the message.
const fieldless uint64 = 1<<fmtTracingFull | 1<<fmtTracingCompact | 1<<fmtPolkadot | 1<<fmtLighthouse |
	1<<fmtLighthouseSlog | 1<<fmtWeald | 1<<fmtPython | 1<<fmtPrysm

// Formats names every framing, in the order in which they are tried.
func Formats() []string {
	names := make([]string, 0, fmtCount)
	for i := range framers {
		for _, f := range framers[i].formats {
			names = append(names, formatNames[f])
		}
	}
	return names
}

func formatByName(name string) (format, bool) {
	for f, n := range formatNames {
		if n == name && f != int(fmtNone) {
			return format(f), true
		}
	}
	return fmtNone, false
}

// framer reads one family of line layouts.
type framer struct {
	// formats are what it may recognise.
	formats []format
	// first is the set of bytes that its lines can begin with; any if empty.
	first string
	// frame fills res.format and res.Record and answers true when s is of its
	// layout, also when s then proves damaged (res.fail). It answers false to
	// pass.
	frame func(s string, res *Result) bool
}

// framers are tried in order; the first that answers true has the line.
var framers = [...]framer{
	{[]format{fmtSlogText}, "t", frameSlogText},
	{[]format{fmtGoLogJSON, fmtSlogJSON, fmtLogrusJSON, fmtTracingJSON, fmtChroniclesJSON}, "{", frameJSON},
	{[]format{fmtGoLogConsole}, "12", frameGoLogConsole},
	{[]format{fmtLogrusText}, "t", frameLogrus},
	{[]format{fmtTracingFull, fmtTracingCompact}, "12[\x1b#", frameTracing},
	{[]format{fmtPolkadot}, "12\x1b#", framePolkadot},
	{[]format{fmtPython}, "12", framePython},
	{[]format{fmtLighthouse, fmtLighthouseSlog}, "ADFJMNOS\x1b#", frameLighthouse},
	{[]format{fmtPrysm}, "[\x1b#", framePrysm},
	{[]format{fmtChronicles}, "TDINWEF\x1b#", frameChronicles},
	{[]format{fmtWeald}, "", frameWeald},
}
