//! Proves one ONNX file on inputs drawn at random, for profiling: `prove_onnx MODEL.onnx [TIMES] [zk|plain]`.

use proveil::{CompileOptions, Engine, IoMeta, Meta, compile_graph, verify};
use proveil_frontend::Options;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: prove_onnx MODEL.onnx [TIMES] [zk|plain]")?;
    let times: usize = std::env::args().nth(2).map_or(Ok(3), |t| t.parse())?;
    let kinds: &[bool] = match std::env::args().nth(3).as_deref() {
        Some("zk") => &[true],
        Some("plain") => &[false],
        _ => &[true, false],
    };
    let bytes = std::fs::read(&path)?;
    let clock = std::time::Instant::now();
    let mut import = Options::default();
    import.batch = Some(1);
    let model = proveil_frontend::compile(&bytes, &[], &import)?;
    println!("import and quantise {:.3} s, bits {:?}", clock.elapsed().as_secs_f64(), model.report.bits);
    for o in &model.report.outputs {
        println!("  {}: relative error {:.5}", o.name, o.relative);
    }
    let clock = std::time::Instant::now();
    let io = |name: &str, shape: &[usize], scale| IoMeta {
        name: name.into(),
        shape: shape.to_vec(),
        dtype: "float32".into(),
        scale,
        columns: Vec::new(),
        calibrated: None,
        missing: None,
        labels: Vec::new(),
    };
    let meta = Meta {
        name: path.clone(),
        inputs: model.inputs.iter().map(|i| io(&i.name, &i.shape, i.scale)).collect(),
        outputs: model.outputs.iter().map(|o| io(&o.name, &o.shape, o.scale)).collect(),
        registration: None,
    };
    let inputs: Vec<Vec<i64>> = model
        .inputs
        .iter()
        .map(|i| {
            let n: usize = i.shape.iter().product();
            (0..n).map(|k| (k as i64 * 7919 % 101 - 50).clamp(i.range.lo, i.range.hi)).collect()
        })
        .collect();
    for &zero_knowledge in kinds {
        let options = CompileOptions { zero_knowledge, ..CompileOptions::default() };
        let (package, tree) = compile_graph(model.graph.clone(), model.params.clone(), &meta, &options)?;
        println!("zero knowledge {zero_knowledge}: compile {:.3} s", clock.elapsed().as_secs_f64());
        println!("  geometry {:?}", package.key.geometry);
        let engine = Engine::with_model(package, tree)?;
        let l = &engine.key.layout;
        println!("  nv {} nk {} groups {} look-ups {}", l.nv, l.nk, l.groups.len(), l.blocks.len());
        for t in &l.trees {
            println!("  tree {:?}: {} base columns", t.kind, t.base_columns());
        }
        for _ in 0..times {
            let clock = std::time::Instant::now();
            let p = engine.prove(&inputs, b"")?;
            let t = clock.elapsed().as_secs_f64();
            let stages: Vec<String> = p.stages.iter().map(|(n, s)| format!("{n} {:.2}", s * 1e3)).collect();
            let clock = std::time::Instant::now();
            verify(&engine.key, &p.file)?;
            println!(
                "  prove {t:.3} s ({} ms), verify {:.1} ms, proof {} bytes",
                stages.join(", "),
                clock.elapsed().as_secs_f64() * 1e3,
                p.file.proof.len()
            );
        }
    }
    Ok(())
}
