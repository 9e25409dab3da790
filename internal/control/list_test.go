package control

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHistoryAndNearest(t *testing.T) {
	d := &desk{bans: []Ban{ban("192.0.2.7", "a"), ban("2001:db8::7", "b")}}
	c, _ := serve(t, d)
	ctx := t.Context()
	got, err := c.History(ctx, "192.0.2.7&x=1", 2)
	want := []Past{{"ban", d.bans[0]}, {"held", d.bans[1]}}
	if diff := cmp.Diff(want, got, samePrefix); err != nil || diff != "" {
		t.Errorf("History: %v (-want +got):\n%s", err, diff)
	}
	if got, err := c.History(ctx, "", 1); err != nil || len(got) != 1 {
		t.Errorf("History of one: %+v, %v", got, err)
	}
	var e *Error
	if _, err := c.History(ctx, "nobody", 1); !errors.As(err, &e) || e.Status != http.StatusBadRequest {
		t.Errorf("History of nobody: %v", err)
	}
	for _, limit := range []int{0, -1, MaxHistory + 1} {
		if _, err := c.History(ctx, "", limit); err == nil || !strings.Contains(err.Error(), "from 1 to 1000") {
			t.Errorf("History with limit %d: %v, want a refusal that names the bounds", limit, err)
		}
	}
	if near, err := c.Nearest(ctx, 7); err != nil || len(near) != 1 || near[0].Failures != 7 {
		t.Errorf("Nearest: %+v, %v", near, err)
	}
	if _, err := c.Nearest(ctx, MaxNearest+1); err == nil {
		t.Error("Nearest beyond its bound is answered")
	}
}
