package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// Report is what a run found out.
type Report struct {
	Mode    string
	Setting string // the run's settings in words
	Figures []Figure
	Faults  Faults
	// Failures are what else was wrong: connections that died, calls that were refused.
	Failures []string
	// CutShort says how far the run came where it was stopped before its end; empty where it was not.
	CutShort string
}

// Figure is one thing measured. Value is nil where it could not be.
type Figure struct {
	Key   string // its name in JSON, with its unit
	Label string
	Value *float64
	Unit  string
}

// Failed reports whether the run is worth nothing: messages went astray, the server did not hold what it should, or the
// run did not come to its end.
func (r *Report) Failed() bool { return r.wrong() || r.CutShort != "" }

func (r *Report) wrong() bool { return r.Faults.Any() || len(r.Failures) > 0 }

func (r *Report) add(key, label string, value *float64, unit string) {
	r.Figures = append(r.Figures, Figure{key, label, value, unit})
}

// addQuantiles adds p50, p99 and p99.9 of l.
func (r *Report) addQuantiles(key, label string, l *latency) {
	q := l.quantiles(50, 99, 99.9)
	r.add(key+"_p50_ms", label+" p50", q[0], "ms")
	r.add(key+"_p99_ms", label+" p99", q[1], "ms")
	r.add(key+"_p999_ms", label+" p99.9", q[2], "ms")
}

func (r *Report) fail(format string, args ...any) {
	if len(r.Failures) < maxExamples {
		r.Failures = append(r.Failures, fmt.Sprintf(format, args...))
	}
}

// Figure returns the value of a figure by its key, nil where there is none.
func (r *Report) Figure(key string) *float64 {
	for _, f := range r.Figures {
		if f.Key == key {
			return f.Value
		}
	}
	return nil
}

// WriteTable writes the report for people.
func (r *Report) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, f := range r.Figures {
		value := "n/a"
		if f.Value != nil {
			value = format(*f.Value)
		}
		fmt.Fprintf(t, "%s\t%s\t %s\t\n", f.Label, value, f.Unit)
	}
	var table strings.Builder
	fmt.Fprintf(&table, "weft bench %s: %s\n", r.Mode, r.Setting)
	if _, err := io.WriteString(w, table.String()); err != nil {
		return err
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, r.verdict())
	return err
}

// verdict says in words whether what was measured can be believed.
func (r *Report) verdict() string {
	var b strings.Builder
	if r.CutShort != "" {
		fmt.Fprintf(&b, "CUT SHORT: %s\n", r.CutShort)
	}
	if !r.wrong() {
		b.WriteString("checked: nothing lost, doubled or misordered\n")
		return b.String()
	}
	f := r.Faults
	fmt.Fprintf(&b, "FAILED: %d lost, %d doubled, %d misordered, %d broken, %d unanswered, %d stray\n",
		f.Lost, f.Doubled, f.Misordered, f.Broken, f.Unanswered, f.Stray)
	for _, s := range f.Examples {
		fmt.Fprintf(&b, "  %s\n", s)
	}
	for _, s := range r.Failures {
		fmt.Fprintf(&b, "  %s\n", s)
	}
	return b.String()
}

// WriteJSON writes the report for programs.
func (r *Report) WriteJSON(w io.Writer) error {
	figures := make(map[string]*float64, len(r.Figures))
	for _, f := range r.Figures {
		figures[f.Key] = f.Value
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		Mode     string              `json:"mode"`
		Setting  string              `json:"setting"`
		OK       bool                `json:"ok"`
		Figures  map[string]*float64 `json:"figures"`
		Faults   Faults              `json:"faults"`
		Failures []string            `json:"failures,omitempty"`
		CutShort string              `json:"cut_short,omitempty"`
	}{r.Mode, r.Setting, !r.Failed(), figures, r.Faults, r.Failures, r.CutShort})
}

// cutShort says so where a run ended because ctx did.
func cutShort(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("the run was cut short, nothing was measured: %w", err)
}

// format writes three significant digits, and all of those before the point.
func format(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100 || a == math.Trunc(a):
		return thousands(fmt.Sprintf("%.0f", v))
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

func thousands(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// per returns a/b, nil where either is unknown or b is nothing.
func per(a, b *float64) *float64 {
	if a == nil || b == nil || *b == 0 {
		return nil
	}
	v := *a / *b
	return &v
}

func number[T int | int64 | uint64 | float64](v T) *float64 {
	f := float64(v)
	return &f
}

// scaled returns v×by, nil where v is unknown.
func scaled(v *float64, by float64) *float64 {
	if v == nil {
		return nil
	}
	return number(*v * by)
}
