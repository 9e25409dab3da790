package sources

import (
	"bytes"
	"fmt"
	"strings"
)

// byteOrderMark begins some texts in UTF-8, and belongs to no line of them.
const byteOrderMark = "\uFEFF"

// kind is a form of files that hold a log, and are no text that can be read here.
// Without a word of it all their lines would only be unknown.
type kind struct {
	at    int // where in the file magic stands
	magic string
	is    string
	cure  string
}

// kinds are told by their first bytes: xz (its "File Format", 2.1.1.1), zstd
// (RFC 8878, 3.1.1), lz4 (its "Frame Format"), bzip2, compress and the rest as in
// file(1).
var kinds = []kind{
	{0, "\xfd7zXZ\x00", "compressed by xz", "unpack it first, with `xz -dc`"},
	{0, "\x28\xb5\x2f\xfd", "compressed by zstd", "unpack it first, with `zstd -dc`"},
	{0, "\x04\x22\x4d\x18", "compressed by lz4", "unpack it first, with `lz4 -dc`"},
	{4, "1AY&SY", "compressed by bzip2", "unpack it first, with `bzip2 -dc`"},
	{0, "\x1f\x9d", "compressed by compress", "unpack it first, with `gzip -dc`"},
	{0, "PK\x03\x04", "a zip archive", "unpack it first, with `unzip -p`"},
	{0, "7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first, with `7z x -so`"},
	{257, "ustar", "a tar archive", "unpack it first, with `tar -xO`"},
	{0, "LPKSHHRH", "a file of systemd's journal", "have it written as text first, with `journalctl -o cat --file`"},
	{0, "\xff\xfe\x00\x00", "text in UTF-32", "convert it first, with `iconv -f UTF-32 -t UTF-8`"},
	{0, "\x00\x00\xfe\xff", "text in UTF-32", "convert it first, with `iconv -f UTF-32 -t UTF-8`"},
	{0, "\xff\xfe", "text in UTF-16", "convert it first, with `iconv -f UTF-16 -t UTF-8`"},
	{0, "\xfe\xff", "text in UTF-16", "convert it first, with `iconv -f UTF-16 -t UTF-8`"},
}

// kindBytes is how much of a file's beginning tells its kind.
const kindBytes = 262

// checkText fails for a file that begins so and is none that can be read.
func checkText(begin []byte) error {
	for _, k := range kinds {
		if len(begin) > k.at && strings.HasPrefix(string(begin[k.at:]), k.magic) {
			return fmt.Errorf("it is %s, which is not read here: %s", k.is, k.cure)
		}
	}
	return nil
}

// plain says whether what begins so is text as it is.
func plain(begin []byte) bool {
	return !isGzip(begin) && !bytes.HasPrefix(begin, []byte(byteOrderMark)) && checkText(begin) == nil
}
