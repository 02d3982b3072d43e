package history

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// place is what the reply subject of a delivered record tells of it.
type place struct {
	seq     uint64
	at      int64  // Unix milliseconds
	pending uint64 // records of the log behind it
}

// parsePlace reads a reply subject of JetStream's, without the list of tokens that jetstream.Msg.Metadata makes:
//
//	$JS.ACK.<stream>.<consumer>.<delivered>.<seq>.<consumer seq>.<nanoseconds>.<pending>
//	$JS.ACK.<domain>.<account>.<stream>.<consumer>.<delivered>.<seq>.<consumer seq>.<nanoseconds>.<pending>[.<more>…]
func parsePlace(reply string) (place, error) {
	malformed := func() (place, error) { return place{}, fmt.Errorf("reply subject %q is not JetStream's", reply) }
	rest, ok := strings.CutPrefix(reply, "$JS.ACK.")
	if !ok {
		return malformed()
	}
	const before, numbered = 3, 4 // tokens before the seq without domain and account, and from it on
	skip := before
	if strings.Count(rest, ".")+1 > before+numbered {
		skip += 2
	}
	for range skip {
		if _, rest, ok = strings.Cut(rest, "."); !ok {
			return malformed()
		}
	}
	var numbers [4]uint64 // seq, consumer seq, nanoseconds, pending
	for i := range numbers {
		var token string
		token, rest, _ = strings.Cut(rest, ".")
		n, err := strconv.ParseUint(token, 10, 64)
		if err != nil {
			return malformed()
		}
		numbers[i] = n
	}
	return place{seq: numbers[0], at: int64(numbers[2]) / int64(time.Millisecond), pending: numbers[3]}, nil
}
