// Each request wraps the logger of the one before it instead of the base logger: a chain of closures
// that holds the buffers of all requests.
//
// expect: leak
package main

import "scenarios/load"

type logFunc func(string) int

var base logFunc = func(line string) int { return len(line) }

func withRequest(parent logFunc, id int) logFunc {
	fields := make([]byte, 256) // <- keeps
	fields[0] = byte(id)
	return func(line string) int { // <- keeps
		if parent == nil {
			return int(fields[0])
		}
		return len(line)
	}
}

func main() {
	current := base
	go load.Every(7000, func(number int) {
		current = withRequest(current, number)
		current("request")
	})
	load.Serve()
}
