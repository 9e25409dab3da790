package sources

// SyslogFiles are the logs into which syslog daemons write what any program says, as
// distributions set them up: everybody on the machine can write a line there, and what
// the journal holds stands in them too.
var SyslogFiles = []string{"/var/log/syslog", "/var/log/messages", "/var/log/daemon.log", "/var/log/user.log"}
