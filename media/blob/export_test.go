package blob

// WithState returns a tail with another state of SHA-256.
func (t Tail) WithState(state []byte) Tail {
	t.hash = state
	return t
}
