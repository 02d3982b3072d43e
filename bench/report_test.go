package bench_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/weft-im/weft/bench"
)

func figure(v float64) *float64 { return &v }

func report() *bench.Report {
	return &bench.Report{Mode: "pairs", Setting: "2 pairs", Figures: []bench.Figure{
		{Key: "delivered_per_s", Label: "delivered", Value: figure(1234567.4), Unit: "messages/s"},
		{Key: "reply_p50_ms", Label: "send to reply p50", Value: figure(1.234), Unit: "ms"},
		{Key: "server_cores", Label: "server CPU", Unit: "cores"},
	}}
}

func TestReportSaysWhetherItCanBeBelieved(t *testing.T) {
	lost := report()
	lost.Faults = bench.Faults{Lost: 3, Examples: []string{"channel c: message 7 was acknowledged and never came"}}
	died := report()
	died.Failures = []string{"a connection died: EOF"}
	cut := report()
	cut.CutShort = "after 1.0 s of 5s: interrupt"

	cases := map[string]struct {
		of     *bench.Report
		failed bool
		says   []string
	}{
		"whole":     {report(), false, []string{"1,234,567", "1.23", "n/a", "nothing lost"}},
		"lost":      {lost, true, []string{"FAILED", "3 lost", "message 7"}},
		"died":      {died, true, []string{"FAILED", "EOF"}},
		"cut short": {cut, true, []string{"CUT SHORT", "1.0 s of 5s", "nothing lost"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if tc.of.Failed() != tc.failed {
				t.Errorf("failed is %v", tc.of.Failed())
			}
			var table, asJSON bytes.Buffer
			if err := tc.of.WriteTable(&table); err != nil {
				t.Fatal(err)
			}
			for _, s := range tc.says {
				if !strings.Contains(table.String(), s) {
					t.Errorf("%q is not in\n%s", s, &table)
				}
			}
			if err := tc.of.WriteJSON(&asJSON); err != nil {
				t.Fatal(err)
			}
			var got struct {
				OK      bool                `json:"ok"`
				Figures map[string]*float64 `json:"figures"`
				Faults  bench.Faults        `json:"faults"`
			}
			if err := json.Unmarshal(asJSON.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			cores, told := got.Figures["server_cores"]
			if got.OK == tc.failed || got.Faults.Lost != tc.of.Faults.Lost || !told || cores != nil || *got.Figures["reply_p50_ms"] != 1.234 {
				t.Errorf("as JSON:\n%s", &asJSON)
			}
		})
	}
}
