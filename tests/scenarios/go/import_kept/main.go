// A nightly import reads four million articles into a package-level map, publishes them and
// deletes them again one by one. The map keeps its tables, for a few articles a day.
//
// expect: map-kept-after-clear
// window: 30
package main

import (
	"fmt"

	"scenarios/load"
)

type Article struct {
	ID    int
	Name  string
	Price float64
}

var articles = make(map[int]Article)

func importAll() {
	for id := 0; id < 4000000; id++ {
		articles[id] = Article{ID: id, Name: "article", Price: float64(id % 999)} // <- keeps
	}
}

func publish() string {
	total := 0.0
	for id, article := range articles {
		total += article.Price
		delete(articles, id)
	}
	return fmt.Sprint(total)
}

func main() {
	go load.Every(10, func(number int) {
		switch {
		case number == 20:
			importAll()
		case number == 60:
			publish()
		case number > 60:
			articles[number%40] = Article{ID: number}
		}
	})
	load.Serve()
}
