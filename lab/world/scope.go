package world

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
)

// Stream takes what a program logs.
type Stream = io.WriteCloser

// scope is the test that netnstest and journaltest want, where no test runs:
// what would fail one becomes an error, and what it would clean up at its end is
// done by end. Its embedded testing.TB is nil: another method than these few
// would panic.
type scope struct {
	testing.TB
	cleanups []func()
	errs     []error
}

// refusal is what Fatal panics with, for catch.
type refusal struct{ error }

func (s *scope) Helper()          {}
func (s *scope) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

func (s *scope) Fatal(args ...any) { panic(refusal{errors.New(fmt.Sprint(args...))}) }

func (s *scope) Fatalf(format string, args ...any) { panic(refusal{fmt.Errorf(format, args...)}) }

// Skip is what netnstest calls where it has no namespace: for us an error too.
func (s *scope) Skip(args ...any) { s.Fatal(args...) }

func (s *scope) Errorf(format string, args ...any) {
	s.errs = append(s.errs, fmt.Errorf(format, args...))
}

// catch, deferred, makes *err of a Fatal.
func (s *scope) catch(err *error) {
	switch r := recover().(type) {
	case nil:
	case refusal:
		*err = r.error
	default:
		panic(r)
	}
}

// end does what a test does at its end, the last cleanup first.
func (s *scope) end() (err error) {
	defer s.catch(&err)
	for _, f := range slices.Backward(s.cleanups) {
		f()
	}
	s.cleanups = nil
	return errors.Join(s.errs...)
}
