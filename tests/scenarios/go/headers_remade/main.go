// A gateway makes a map with room for 64 entries for the headers of every request.
//
// expect: map-remade
package main

import "scenarios/load"

var names = []string{"Host", "Accept", "User-Agent", "Cookie", "X-Request-Id", "Content-Type"}

func parse(raw [][2]string) map[string]string {
	headers := make(map[string]string, 64) // <- keeps
	for _, pair := range raw {
		headers[pair[0]] = pair[1]
	}
	return headers
}

var routed int

func request(number int) {
	raw := make([][2]string, len(names))
	for i, name := range names {
		raw[i] = [2]string{name, "value"}
	}
	if parse(raw)["Host"] != "" {
		routed++
	}
}

func main() {
	go load.Every(6000, request)
	load.Serve()
}
