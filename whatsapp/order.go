package whatsapp

import "time"

// firstYear is when WhatsApp began: a date before it is read wrongly, or is none.
const firstYear, lastYear = 2009, 2099

// day returns the date of a stamp read in an order; ok is false where there is no such date.
func (s stamp) day(o Order) (year, month, day int, ok bool) {
	switch o {
	case YearFirst:
		year, month, day = s.date[0], s.date[1], s.date[2]
	case MonthFirst:
		month, day, year = s.date[0], s.date[1], s.date[2]
	default:
		day, month, year = s.date[0], s.date[1], s.date[2]
	}
	const buddhist = 543 // years that Thai phones are ahead
	switch {
	case s.style.wide < 0:
		year += 2000
	case year > lastYear+buddhist/2:
		year -= buddhist
	}
	if year < firstYear || year > lastYear || month < 1 || month > 12 || day < 1 {
		return 0, 0, 0, false
	}
	last := time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return year, month, day, day <= last
}

// at returns the moment of a stamp in a zone.
func (s stamp) at(o Order, zone *time.Location) (time.Time, bool) {
	year, month, day, ok := s.day(o)
	return time.Date(year, time.Month(month), day, s.hour, s.minute, s.sec, 0, zone), ok
}

// reading is how well stamps fit an order.
type reading struct {
	order   Order
	invalid int // stamps that are no date in it
	back    int // times that a day is before the one above it
}

// number returns a date as a number that grows with it.
func number(year, month, day int) int { return (year*12+month)*31 + day }

// read counts how the stamps fit an order. A chat's days mostly ascend: WhatsApp writes only some of its own lines out of
// their time.
func read(stamps []stamp, o Order, latest int) reading {
	r := reading{order: o}
	before := 0
	for _, s := range stamps {
		year, month, day, ok := s.day(o)
		now := number(year, month, day)
		if !ok || now > latest {
			r.invalid++
			continue
		}
		if now < before {
			r.back++
		}
		before = now
	}
	return r
}

// decideOrder returns the order in which stamps of one style are to be read, and whether it is only the likelier one.
func decideOrder(stamps []stamp, asked Order, now time.Time) (Order, bool) {
	st := stamps[0].style
	if now.IsZero() {
		now = time.Now()
	}
	year, month, day := now.AddDate(0, 0, 2).Date()
	latest := number(year, int(month), day)
	switch {
	case st.wide == 0:
		return YearFirst, false
	case asked == YearFirst && st.wide > 0: // no year stands there
	case asked != Auto:
		return asked, false
	}
	candidates := []Order{DayFirst, MonthFirst}
	if likelyMonthFirst(stamps) {
		candidates = []Order{MonthFirst, DayFirst}
	}
	if st.wide < 0 {
		candidates = append(candidates, YearFirst)
	}
	readings := make([]reading, len(candidates))
	best := 0
	for i, o := range candidates {
		readings[i] = read(stamps, o, latest)
		if better, _ := compare(readings[i], readings[best]); better {
			best = i
		}
	}
	o, certain := candidates[best], true
	for i, r := range readings {
		// Two-digit years in front are rare: nothing has to speak against them.
		if _, sure := compare(r, readings[best]); i != best && !sure && r.order != YearFirst {
			certain = false
		}
	}
	// Only the slash stands between both orders; nobody writes the month first with a dot or a dash.
	return o, !certain && (st.sep == '/' || o != DayFirst)
}

// compare tells whether a fits better than b, and whether the difference is one that noise does not make: a line that was
// pasted from another phone's export, a line of WhatsApp's own that is out of its time.
func compare(a, b reading) (better, sure bool) {
	clear := func(less, more int) bool { return more > 0 && (less == 0 || more >= 2*less+2) }
	switch {
	case a.invalid != b.invalid && clear(min(a.invalid, b.invalid), max(a.invalid, b.invalid)):
		return a.invalid < b.invalid, true
	case a.back != b.back:
		return a.back < b.back, clear(min(a.back, b.back), max(a.back, b.back))
	}
	return a.invalid < b.invalid, false
}

// likelyMonthFirst tells which order a file is likelier in that does not show: the United States write neither leading
// zeros nor 24 hours, the others with a slash do the one or the other.
func likelyMonthFirst(stamps []stamp) bool {
	for _, s := range stamps {
		if s.padded || !s.style.half {
			return false
		}
	}
	return stamps[0].style.sep == '/'
}
