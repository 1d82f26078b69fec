
#[test]
fn skeleton() {
    let mut sec="";
    for o in super::Config::options() {
        if o.section!=sec { sec=o.section; println!("\n[{sec}]"); }
        let mut line=String::from("#");
        for w in o.help.split(' ') { if line.len()+1+w.len()>78 { println!("{line}"); line=String::from("#"); } line.push(' '); line.push_str(w); }
        println!("{line}");
        println!("# {} = {}\n", o.key, o.default.unwrap());
    }
    println!("{}", super::markdown());
}
