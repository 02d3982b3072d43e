package bench

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"
)

func TestLagIsThatOfTheOldestMessage(t *testing.T) {
	begun := time.Now()
	at := func(ms int) time.Time { return begun.Add(time.Duration(ms) * time.Millisecond) }
	l := new(lag)
	for _, look := range []struct{ ms, log, archived int }{
		{0, 10, 10}, {20, 10, 10}, // nothing behind
		{40, 15, 10},  // since 20 ms at most
		{60, 40, 12},  // the oldest is still of that time
		{80, 60, 15},  // what was there at 40 ms is archived
		{100, 60, 60}, // and all
		{500, 60, 60},
		{520, 70, 65},
	} {
		l.note(at(look.ms), uint64(look.log), uint64(look.archived))
	}
	if l.messages != 45 || l.most != 40*time.Millisecond {
		t.Errorf("the largest lag is %d messages, %s, want 45 messages, 40ms", l.messages, l.most)
	}
}

func TestBodiesOfWords(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{minWords, 50, 100, 1000} {
		b := appendWords([]byte("x"), r, size)[1:]
		var body struct{ Text string }
		if err := json.Unmarshal(b, &body); err != nil || len(b) != size || len(body.Text) != size-len(bodyHead)-len(bodyTail) {
			t.Errorf("%d bytes instead of %d: %s (%v)", len(b), size, b, err)
		}
	}
}
