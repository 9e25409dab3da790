package jail

// bucket is where two chains of a jail's hash table begin: that of its tracked
// hosts and that of its cold lines.
type bucket struct {
	id   hostID
	line lineNo
}

// buckets grow by one at a time (linear hashing), so that no single event pays
// for the growth of the table.
type buckets struct {
	chunks []*[bucketChunk]bucket
	n      uint64 // in use
	pow    uint64 // the largest power of two that is at most n
	count  uint64 // of what is in all chains
}

const (
	bucketBits  = 11
	bucketChunk = 1 << bucketBits
)

func newBuckets() *buckets {
	return &buckets{chunks: []*[bucketChunk]bucket{new([bucketChunk]bucket)}, n: 1, pow: 1}
}

// of is the bucket of a hash.
func (b *buckets) of(hash uint64) *bucket {
	i := hash & (2*b.pow - 1)
	if i >= b.n {
		i &= b.pow - 1
	}
	return b.at(i)
}

func (b *buckets) at(i uint64) *bucket { return &b.chunks[i>>bucketBits][i&(bucketChunk-1)] }

// splits is the bucket whose chains are shared when n more have been added.
func (b *buckets) splits(n uint64) *bucket {
	i := b.n + n
	if pow := b.pow; i < 2*pow {
		return b.at(i - pow)
	}
	return b.at(i - 2*b.pow)
}

// full tells that a bucket more is wanted.
func (b *buckets) full() bool { return b.count > b.n }

// grow adds a bucket, to which the chains of another one are to give their
// share.
func (b *buckets) grow() (from, to *bucket) {
	if int(b.n>>bucketBits) == len(b.chunks) {
		b.chunks = append(b.chunks, new([bucketChunk]bucket))
	}
	from, to = b.splits(0), b.at(b.n)
	if b.n++; b.n == 2*b.pow {
		b.pow = b.n
	}
	return from, to
}
