package users

import (
	"context"
	"fmt"
	"time"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/fabric"
)

// takePeriod is over how long codes and tries are counted.
const takePeriod = time.Hour

// Take is one of something of which only so many may be had in an hour, counted by all processes together.
type Take struct {
	Key  string // what of, and whose
	Most int64
}

// Periods returns the period that now is in and the one before, each by its beginning; all in Unix milliseconds.
func (t Take) Periods(now int64) (this, last int64) {
	long := takePeriod.Milliseconds()
	this = now - now%long
	return this, this - long
}

// Has reports whether n in this period, with so many in the one before, are within the hour's most. Of the period before
// that part counts which an hour back from now still covers, so that nobody has twice the most where two periods meet.
func (t Take) Has(n, before, now int64) bool {
	long := takePeriod.Milliseconds()
	return before*(long-now%long)/long+n <= t.Most
}

// TakenBefore returns the beginning of the oldest period that is still asked for.
func TakenBefore(now int64) int64 {
	_, last := Take{}.Periods(now)
	return last
}

// admitCode refuses a code that would be one too many for the phone, the address, or all together.
func (r *Role) admitCode(ctx context.Context, phone, address string) error {
	takes := []Take{{"code phone " + phone, int64(r.cfg.Rates.CodesPerPhone)}, {"code all", int64(r.cfg.Rates.Codes)}}
	if address != "" {
		takes = append(takes, Take{"code address " + address, int64(r.cfg.Rates.CodesPerAddress)})
	}
	over, err := r.take(ctx, takes)
	if err != nil || over < 0 {
		return err
	}
	if takes[over].Key == "code all" {
		r.log.Error("no more codes are sent for now: as many as may be in an hour were", "codes", r.cfg.Rates.Codes)
	}
	r.audit.WriteBounded(audit.Event{
		What: audit.SignInRefused, Address: address, Op: "otp", Code: fabric.CodeRateLimited, Detail: "phone " + audit.Phone(phone),
	})
	return fabric.Errorf(fabric.CodeRateLimited, "too many codes were asked for: try again later")
}

// admitTry refuses a sign-in that would be one too many for the address. Whoever guesses at one phone after another is
// held up by this; those who guess at one by the tries that its code has.
func (r *Role) admitTry(ctx context.Context, address string) error {
	if address == "" {
		return nil
	}
	over, err := r.take(ctx, []Take{{"try address " + address, int64(r.cfg.Rates.TriesPerAddress)}})
	if err == nil && over >= 0 {
		err = fabric.Errorf(fabric.CodeRateLimited, "too many sign-ins were tried: try again later")
	}
	return err
}

func (r *Role) take(ctx context.Context, takes []Take) (over int, err error) {
	if r.cfg.Dev {
		return -1, nil
	}
	if over, err = r.store.Take(ctx, takes, fabric.Millis(r.cfg.Now())); err != nil {
		return 0, fmt.Errorf("count codes and tries: %w", err)
	}
	return over, nil
}
