package msglog_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/msglog"
	"github.com/weft-im/weft/subjects"
)

// Whatever was written and deleted in whatever order: every range, every single record and the newest of each channel
// are what a plain list of the records says.
func TestReaderAgainstAList(t *testing.T) {
	l := openLogs(t)
	ctx := t.Context()
	rapid.Check(t, func(rt *rapid.T) {
		channels := []fabric.ChannelID{newChannel(), newChannel(), newChannel()}
		model := make(map[fabric.ChannelID][]msglog.Record) // what each log holds
		first, last := uint64(0), uint64(0)
		steps := rapid.SliceOfN(rapid.IntRange(0, 9), 1, 40).Draw(rt, "steps")
		for i, step := range steps {
			c := channels[step%3]
			if recs := model[c]; step == 9 && len(recs) > 0 {
				victim := rapid.IntRange(0, len(recs)-1).Draw(rt, "victim")
				l.delete(recs[victim].Seq)
				model[c] = slices.Delete(recs, victim, victim+1)
				continue
			}
			payload := fmt.Sprintf(`{"n":%d}`, i)
			last = l.write(c, payload)
			if first == 0 {
				first = last
			}
			model[c] = append(model[c], msglog.Record{Channel: c, Seq: last, Payload: []byte(payload)})
		}
		for _, c := range channels {
			for i := range model[c] {
				model[c][i].Prev = 0
				if i > 0 {
					model[c][i].Prev = model[c][i-1].Seq
				}
			}
		}

		c := rapid.SampledFrom(channels).Draw(rt, "channel")
		after := rapid.Uint64Range(max(first, 2)-2, last+2).Draw(rt, "after")
		upto := rapid.Uint64Range(max(first, 2)-2, last+2).Draw(rt, "upto")
		limit := rapid.IntRange(1, 12).Draw(rt, "limit")
		var want []msglog.Record
		for _, r := range model[c] {
			if r.Seq > after && r.Seq <= upto {
				want = append(want, r)
			}
		}
		more := len(want) > limit
		want = want[:min(limit, len(want))]
		got, gotMore, err := l.Range(ctx, c, 0, after, upto, limit)
		if err != nil {
			rt.Fatal(err)
		}
		if places(got) != places(want) || gotMore != more {
			rt.Fatalf("range (%d, %d] limit %d: got %s more %v, want %s more %v",
				after, upto, limit, places(got), gotMore, places(want), more)
		}
		for _, r := range want {
			at, err := l.At(ctx, c, 0, r.Seq)
			if err != nil || at.Prev != r.Prev || string(at.Payload) != string(r.Payload) {
				rt.Fatalf("at %d: got %+v (%v), want %+v", r.Seq, at, err, r)
			}
		}

		minSeq := rapid.Uint64Range(first, last+1).Draw(rt, "min")
		var of []string
		lasts := make(map[string]uint64)
		for _, c := range channels {
			of = append(of, subjects.Log(c, 0))
			if n := len(model[c]); n > 0 && model[c][n-1].Seq >= minSeq {
				lasts[of[len(of)-1]] = model[c][n-1].Seq
			}
		}
		news, err := l.LastOf(ctx, subjects.MsgStream(0), of, minSeq)
		if err != nil || len(news) != len(lasts) {
			rt.Fatalf("last from %d: got %+v (%v), want %v", minSeq, news, err, lasts)
		}
		for _, e := range news {
			if lasts[e.Subject] != e.Seq {
				rt.Fatalf("last from %d: got %+v, want %v", minSeq, news, lasts)
			}
		}
	})
}
