package users

import (
	"github.com/nyaruka/phonenumbers"

	"github.com/weft-im/weft/fabric"
)

// maxPhoneBytes bounds a phone as a person types it.
const maxPhoneBytes = 40

// maxE164Bytes is a plus and 15 digits, which is all that a number may have (ITU-T E.164, 6.2.1).
const maxE164Bytes = 16

// phone returns a phone in E.164, from the way in which people write it: with its country code, and with spaces,
// dashes or brackets as they like. Only numbers of assigned ranges are taken, unless anyPossible.
func phone(text string, anyPossible bool) (string, error) {
	refused := fabric.Errorf(fabric.CodeBadRequest,
		"phone: want a phone number with its country code in international form, as in +49 151 23456789")
	if text == "" || len(text) > maxPhoneBytes {
		return "", refused
	}
	n, err := phonenumbers.Parse(text, "ZZ") // no default country: it must name its own
	if err != nil || !phonenumbers.IsPossibleNumber(n) || (!anyPossible && !phonenumbers.IsValidNumber(n)) {
		return "", refused
	}
	e164 := phonenumbers.Format(n, phonenumbers.E164)
	if len(e164) > maxE164Bytes { // the library's rules of some countries let more digits pass
		return "", refused
	}
	// What it makes of some that begin with zeros is another number when it is read again: one person would be two.
	if again, err := phonenumbers.Parse(e164, "ZZ"); err != nil || phonenumbers.Format(again, phonenumbers.E164) != e164 {
		return "", refused
	}
	return e164, nil
}
