package jail

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/cespare/xxhash/v2"
)

// sum16 is what the library makes of the same bytes.
func TestSum16IsXXH64(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		hi, lo := r.Uint64(), r.Uint64()
		b := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, hi), lo)
		if got, want := sum16(hi, lo), xxhash.Sum64(b); got != want {
			t.Fatalf("%x %x: got %x, want %x", hi, lo, got, want)
		}
	}
}
