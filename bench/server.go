package bench

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Target is the server that is measured, and what runs against it share.
type Target struct {
	URL   string // for clients, such as http://127.0.0.1:8080
	Ops   string // for operators, whose /metrics tells the server's cost; empty: not told
	Users string // file that keeps signed-in users for the next run; empty: none
	// Note is told what is going on; nil: nobody.
	Note func(format string, args ...any)
}

func (t Target) note(format string, args ...any) {
	if t.Note != nil {
		t.Note(format, args...)
	}
}

// sample is what the server's process says of itself; fields are nil where it does not.
type sample struct {
	cpu     *float64 // seconds
	rss     *float64 // bytes
	alloc   *float64 // bytes ever allocated
	working *float64 // bytes of heap and stacks in use
	started *float64 // when, in seconds since 1970

	receipts *float64 // writes of members' marks
}

// since returns s as it can be compared with an earlier one: not at all where the process is another one by now.
func (s sample) since(earlier sample) sample {
	if s.started != nil && earlier.started != nil && *s.started != *earlier.started {
		return sample{}
	}
	return s
}

// sample asks the server. One that can't be asked is no failure: its figures are n/a.
func (t Target) sample(ctx context.Context) sample {
	if t.Ops == "" {
		return sample{}
	}
	metrics, err := t.metrics(ctx)
	if err != nil {
		t.note("the server's own figures are n/a: %v", err)
		return sample{}
	}
	get := func(name string) *float64 {
		if v, ok := metrics[name]; ok {
			return &v
		}
		return nil
	}
	s := sample{
		cpu: get("process_cpu_seconds_total"), rss: get("process_resident_memory_bytes"), alloc: get("go_memstats_alloc_bytes_total"),
		started: get("process_start_time_seconds"), receipts: get("weft_edge_receipt_writes_total"),
	}
	if heap, stack := get("go_memstats_heap_inuse_bytes"), get("go_memstats_stack_inuse_bytes"); heap != nil && stack != nil {
		s.working = number(*heap + *stack)
	}
	return s
}

// metrics reads the metrics without labels in Prometheus' text format:
// https://prometheus.io/docs/instrumenting/exposition_formats/
func (t Target) metrics(ctx context.Context) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(t.Ops, "/")+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers with status %d", req.URL, resp.StatusCode)
	}
	out := make(map[string]float64)
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, rest, ok := strings.Cut(lines.Text(), " ")
		if !ok || strings.HasPrefix(name, "#") || strings.Contains(name, "{") {
			continue
		}
		value, _, _ := strings.Cut(rest, " ") // a timestamp may follow
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			out[name] = v
		}
	}
	return out, lines.Err()
}

// less returns a−b, nil where either is unknown.
func less(a, b *float64) *float64 {
	if a == nil || b == nil {
		return nil
	}
	return number(*a - *b)
}
