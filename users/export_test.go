package users

// Phone is phone.
func Phone(text string, anyPossible bool) (string, error) { return phone(text, anyPossible) }
