// Package storage is the room of SQL, and nothing outside of it speaks any. A fabric keeps in a database what is
// relational (users, devices, channels, members) and what is old (the archive of messages). Each role says in its own
// package what it needs, as a small interface called Store; the packages below implement all of them, each on one
// engine: sqlite for a fabric of one process, postgres for one that grows. Both pass the suite in storagetest.
package storage
