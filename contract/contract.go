// Package contract holds what roles ask of one another over NATS: the request and the reply of every verb in package
// subjects, named <Service><Verb>Request and …Reply. They are JSON; a failed request carries a fabric.Error.
//
// A request names the user on whose behalf it is made. Only roles can reach these subjects, and the edge fills that
// field from the session's checked token, never from what a client wrote.
package contract

// Page limits of lists.
const (
	DefaultPage = 50
	MaxPage     = 200
)
