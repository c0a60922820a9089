// An indexer counts the words of each document in a new map that grows while it fills, in a worker
// goroutine.
//
// expect: map-remade
package main

import (
	"fmt"

	"scenarios/load"
)

func score(words []string) int {
	counts := map[string]int{}
	for _, word := range words {
		counts[word]++ // <- keeps
	}
	sum := 0
	for _, n := range counts {
		sum += n * n
	}
	return sum
}

var vocabulary []string

func worker(documents <-chan int) {
	total := 0
	words := make([]string, 800)
	for number := range documents {
		for i := range words {
			words[i] = vocabulary[load.Random(number*800+i)%uint64(len(vocabulary))]
		}
		total += score(words)
	}
}

func main() {
	for i := 0; i < 4000; i++ {
		vocabulary = append(vocabulary, fmt.Sprintf("word-%d", i))
	}
	documents := make(chan int)
	go worker(documents)
	go load.Every(300, func(number int) { documents <- number })
	load.Serve()
}
